;; Spends its time in wide vector instructions that become many.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $v v128)
    (loop $again
      (local.set $v (i8x16.swizzle (i8x16.popcnt (local.get $v)) (local.get $v)))
      (local.set $v (i64x2.mul (local.get $v) (i64x2.add (local.get $v) (i64x2.splat (i64.const 7)))))
      (local.set $v (f64x2.div (f64x2.sqrt (local.get $v)) (f64x2.nearest (local.get $v))))
      (local.set $v (i8x16.shr_s (local.get $v) (i32.const 3)))
      (local.set $v (i32x4.trunc_sat_f64x2_u_zero (local.get $v)))
      (br $again))
    (unreachable)))

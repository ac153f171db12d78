;; Converts and rounds, which costs the host a call where the processor lacks
;; the instruction.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $x f64) (local $n i64)
    (loop $again
      (local.set $n (i64.add (local.get $n) (i64.const 0x123456789)))
      (local.set $x (f64.convert_i64_u (local.get $n)))
      (local.set $n (i64.xor (local.get $n) (i64.trunc_sat_f64_u (f64.nearest (f64.floor (local.get $x))))))
      (local.set $n (i64.add (local.get $n) (i64.popcnt (i64.clz (i64.ctz (local.get $n))))))
      (br $again))
    (unreachable)))

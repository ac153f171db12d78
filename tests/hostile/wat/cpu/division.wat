;; Divides 64-bit integers, the slowest of the simple instructions.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $x i64)
    (loop $again
      (local.set $x (i64.div_u (i64.const 0x7fffffffffffffff) (i64.or (local.get $x) (i64.const 3))))
      (local.set $x (i64.rem_s (i64.const 0x6fffffffffffffff) (i64.or (local.get $x) (i64.const 5))))
      (br $again))
    (unreachable)))

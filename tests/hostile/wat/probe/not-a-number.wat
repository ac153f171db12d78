;; Looks for bits of the host in what is not a number.
;; ends: harmless
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $x f64)
    (local.set $x (f64.div (f64.const 0) (f64.const 0)))
    (f64.store (i32.const 1024) (f64.add (f64.neg (local.get $x)) (f64.const nan:0x123)))
    (if (i64.ne (i64.and (i64.load (i32.const 1024)) (i64.const 0x7fffffffffffffff)) (i64.const 0x7ff8000000000000))
      (then (unreachable)))
    (i32.const 160)))

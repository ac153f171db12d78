;; Divides numbers so small that the processor takes its slow way.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $x f64)
    (loop $again
      (local.set $x (f64.const 0x1p-1040))
      (local.set $x (f64.div (local.get $x) (f64.const 1.0000001)))
      (local.set $x (f64.add (local.get $x) (f64.mul (local.get $x) (f64.const 0.3))))
      (f64.store (i32.const 1024) (local.get $x))
      (br $again))
    (unreachable)))

;; Takes square roots in a chain, each of which waits for the last.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $x f64)
    (local.set $x (f64.const 2))
    (loop $again
      (local.set $x (f64.sqrt (f64.add (f64.sqrt (local.get $x)) (f64.const 1))))
      (br $again))
    (unreachable)))

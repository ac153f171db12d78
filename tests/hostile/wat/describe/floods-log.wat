;; Logs without end when it is asked what it is.
;; ends: describe out-of-fuel
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (loop $again
      (call $log (i32.const 3) (i32.const 16) (i32.const 40))
      (br $again))
    (unreachable))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Calls itself without end when it is asked what it is.
;; ends: describe stack-overflow
;; limits: {"fuel": 100000000}
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (call $describe))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

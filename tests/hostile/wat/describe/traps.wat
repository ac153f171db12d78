;; Traps when it is asked what it is.
;; ends: describe trap
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (unreachable))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

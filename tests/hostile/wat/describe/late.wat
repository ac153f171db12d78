;; Does not come back in time when it is asked what it is.
;; ends: describe deadline
;; limits: {"fuel": 10000000000, "deadline_ms": 20}
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (loop $again (br $again))
    (unreachable))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

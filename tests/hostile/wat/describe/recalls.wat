;; Recalls from when it has no events yet, and misuses it.
;; ends: describe trap
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (call $recall (i32.const 0) (i32.const 200000) (i32.const 1024))
    (unreachable))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

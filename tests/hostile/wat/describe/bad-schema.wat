;; Has a schema that is not JSON.
;; ends: upload invalid-manifest
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (i32.store (i32.const 120) (i32.const 1))
    (i32.store (i32.const 124) (i32.const 16))
    (i32.store (i32.const 128) (i32.const 6))
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

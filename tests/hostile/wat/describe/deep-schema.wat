;; Has a schema of arrays nested 30,000 deep.
;; ends: upload invalid-manifest
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (memory.fill (i32.const 65536) (i32.const 91) (i32.const 30000))
    (memory.fill (i32.const 95536) (i32.const 93) (i32.const 30000))
    (i32.store (i32.const 120) (i32.const 1))
    (i32.store (i32.const 124) (i32.const 65536))
    (i32.store (i32.const 128) (i32.const 60000))
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Describes itself in a megabyte.
;; ends: upload invalid-manifest
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (drop (memory.grow (i32.const 16)))
    (memory.fill (i32.const 65536) (i32.const 97) (i32.const 900000))
    (i32.store (i32.const 132) (i32.const 65536))
    (i32.store (i32.const 136) (i32.const 900000))
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

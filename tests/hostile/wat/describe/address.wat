;; Says what it is at an address beyond its memory.
;; ends: describe trap
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (i32.const 0x10000000))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

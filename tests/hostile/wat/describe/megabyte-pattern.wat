;; Wants events of a name of 900,000 bytes, to have them sent back in the
;; refusal.
;; ends: upload invalid-manifest
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (drop (memory.grow (i32.const 16)))
    (memory.fill (i32.const 65536) (i32.const 42) (i32.const 900000))
    (i32.store (i32.const 64) (i32.const 65536))
    (i32.store (i32.const 68) (i32.const 900000))
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

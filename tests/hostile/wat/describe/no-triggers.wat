;; Wants no events at all.
;; ends: upload invalid-manifest
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (i32.store (i32.const 100) (i32.const 0))
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

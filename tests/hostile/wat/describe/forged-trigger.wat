;; Wants a kind of event whose name is two lines.
;; ends: upload invalid-manifest
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (i32.store8 (i32.const 18) (i32.const 10))
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

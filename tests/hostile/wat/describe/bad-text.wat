;; Has a summary that is not UTF-8.
;; ends: describe trap
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (i32.store8 (i32.const 40) (i32.const 0xff))
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

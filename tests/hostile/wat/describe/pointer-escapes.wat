;; Ignores a pointer that clears a terminal, to have it shown in the refusal.
;; ends: upload invalid-manifest
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (i32.store (i32.const 72) (i32.const 1040))
    (i32.store (i32.const 76) (i32.const 1))
    (i32.const 96))
  (data (i32.const 1024) "a*\1b[2J\1b[Hb      " (i32 1024 10))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

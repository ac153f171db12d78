;; Wants events of a name that clears a terminal, to have it shown in the
;; refusal.
;; ends: upload invalid-manifest
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (i32.store (i32.const 64) (i32.const 1024))
    (i32.store (i32.const 68) (i32.const 10))
    (i32.const 96))
  (data (i32.const 1024) "a*\1b[2J\1b[Hb")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Wants a million kinds of events.
;; ends: describe output-too-large
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (drop (memory.grow (i32.const 300)))
    (i32.store (i32.const 100) (i32.const 1000000))
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

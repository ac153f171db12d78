;; Emits with a subject of 60,000 bytes.
;; ends: handle invalid-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  0 24 8 1 65536 60000 16 1))
  (func $handle (export "handle") (param $args i32) (result i32)
    (memory.fill (i32.const 65536) (i32.const 57) (i32.const 60000))
    (i32.const 1024)))

;; Returns a number of 60,000 digits.
;; ends: harmless
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 5 65536 60000 0 0 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (memory.fill (i32.const 65536) (i32.const 57) (i32.const 60000))
    (i32.const 1024)))

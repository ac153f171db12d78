;; Returns a payload whose end wraps around 32 bits.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 6 16 0xfffffff8 0 0 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

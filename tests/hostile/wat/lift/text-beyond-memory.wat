;; Returns a payload that ends beyond its memory.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 6 262000 4000 0 0 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

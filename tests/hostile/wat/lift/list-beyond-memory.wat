;; Returns a list that begins in its memory and ends beyond it.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 9000))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

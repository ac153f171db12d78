;; Returns neither success nor failure.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 2 1040 1))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

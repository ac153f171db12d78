;; Returns an effect of a kind that does not exist.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  7 32 6 16 1 0 0 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

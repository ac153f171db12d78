;; Returns a failure of a kind that does not exist.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 1 9 16 6))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

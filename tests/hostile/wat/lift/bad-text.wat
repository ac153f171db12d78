;; Returns a payload that is not UTF-8.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 6 1100 4 0 0 0))
  (data (i32.const 1100) "\22\ff\fe\22")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

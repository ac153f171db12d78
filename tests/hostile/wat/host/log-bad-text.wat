;; Logs bytes that are not UTF-8.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) "a\ff\fe\80")
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $log (i32.const 1) (i32.const 1024) (i32.const 4))
    (unreachable)))

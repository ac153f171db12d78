;; Logs at a level that does not exist.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $log (i32.const 200) (i32.const 16) (i32.const 8))
    (unreachable)))

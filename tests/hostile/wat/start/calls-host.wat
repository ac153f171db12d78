;; Logs in its start function, before there is anybody to log for.
;; ends: describe trap
(module
  ;; include: rule
  (start $start)
  (func $start
    (call $log (i32.const 1) (i32.const 16) (i32.const 6)))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

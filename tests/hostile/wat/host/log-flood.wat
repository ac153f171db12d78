;; Logs the same line without end.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (call $log (i32.const 1) (i32.const 16) (i32.const 40))
      (br $again))
    (unreachable)))

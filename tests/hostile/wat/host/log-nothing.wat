;; Logs empty lines without end, which fill no limit in bytes.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (call $log (i32.const 1) (i32.const 0) (i32.const 0))
      (br $again))
    (unreachable)))

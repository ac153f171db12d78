;; Logs a text whose end wraps around 32 bits.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $log (i32.const 1) (i32.const 16) (i32.const -1))
    (unreachable)))

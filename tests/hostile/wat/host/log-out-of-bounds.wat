;; Logs what lies beyond its memory.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $log (i32.const 1) (i32.const 262140) (i32.const 16))
    (unreachable)))

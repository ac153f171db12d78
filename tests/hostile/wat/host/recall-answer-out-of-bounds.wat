;; Has the answer written beyond its memory.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $recall (i32.const 16) (i32.const 6) (i32.const 262140))
    (unreachable)))

;; Logs a text that ends within a character.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) "a\e2\82\ac")
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $log (i32.const 1) (i32.const 1024) (i32.const 3))
    (unreachable)))

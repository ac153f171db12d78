;; Emits what its pattern would match, were the pattern a text.
;; ends: handle undeclared-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  0 1100 6 0 0 0 1120 2))
  (data (i32.const 1100) "test.*              {}")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

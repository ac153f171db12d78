;; Asks for an action that it did not declare.
;; ends: handle undeclared-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 1100 14 1120 2 0 0 0))
  (data (i32.const 1100) "account.delete      {}")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

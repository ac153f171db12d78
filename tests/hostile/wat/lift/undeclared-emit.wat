;; Emits an event that it did not declare, in the name of another rule.
;; ends: handle undeclared-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  0 1100 16 0 0 0 1120 2))
  (data (i32.const 1100) "invoice.approved    {}")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

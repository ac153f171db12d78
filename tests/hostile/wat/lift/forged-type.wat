;; Emits a type that ends in a line of its own in somebody's log.
;; ends: handle invalid-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  0 1100 18 0 0 0 1120 2))
  (data (i32.const 1100) "test.out\0atest.paid  {}")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

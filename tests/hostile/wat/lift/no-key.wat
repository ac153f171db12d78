;; Would remember a value under no key.
;; ends: handle invalid-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  2 0 0 0 0 0 0 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

;; Has no memory to pass anything through.
;; ends: upload wrong-type
(module
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "handle") (param i32) (result i32) (i32.const 0)))

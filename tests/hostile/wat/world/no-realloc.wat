;; Has no function to ask for memory with.
;; ends: upload wrong-type
(module
  ;; include: imports memory manifest describe
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

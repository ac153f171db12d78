;; Handles events, and does not say which.
;; ends: upload wrong-type
(module
  ;; include: imports memory realloc
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

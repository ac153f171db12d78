;; Imports a function of the host that there is not.
;; ends: upload wrong-type
(module
  (import "ringfence:rule/host@0.1.0" "delete-tenant" (func (param i32 i32)))
  ;; include: rule
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

;; Imports a function of the host as if it took other parameters.
;; ends: upload wrong-type
(module
  (import "ringfence:rule/host@0.1.0" "now" (func (param i32) (result i32)))
  ;; include: rule
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

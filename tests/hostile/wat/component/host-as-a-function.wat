;; Imports the host as if it were a function.
;; ends: upload wrong-type
(component
  (import "ringfence:rule/host@0.1.0" (func $host))
  ;; include: types
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

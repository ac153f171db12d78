;; Imports a resource from the host.
;; ends: upload wrong-type
(component
  (import "ringfence:rule/host@0.1.0" (instance $host (export "door" (type (sub resource)))))
  ;; include: types
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

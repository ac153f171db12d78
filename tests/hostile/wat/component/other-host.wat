;; Imports a host of a version to come.
;; ends: upload unknown-imports
(component
  (import "ringfence:rule/host@0.2.0" (instance $host (export "log" (func (param "message" string)))))
  ;; include: types
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

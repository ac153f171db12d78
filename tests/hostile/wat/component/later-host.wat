;; Imports a later host of this version, with a function that there is not
;; yet.
;; ends: upload wrong-type
(component
  (import "ringfence:rule/host@0.1.99" (instance $host (export "spawn" (func (param "command" string)))))
  ;; include: types
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

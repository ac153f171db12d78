;; Imports a network of WASI that is not the one that WASI has.
;; ends: upload wrong-type
(component
  (import "wasi:sockets/instance-network@0.2.0" (instance $network (export "network" (type (sub resource)))))
  ;; include: types
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

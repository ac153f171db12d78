;; Has a module of three tables, and instantiates it three times.
;; ends: upload too-complex
(component
  ;; include: types
  (core module $three (table 1 funcref) (table 1 funcref) (table 1 funcref))
  (core instance (instantiate $three))
  (core instance (instantiate $three))
  (core instance (instantiate $three))
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

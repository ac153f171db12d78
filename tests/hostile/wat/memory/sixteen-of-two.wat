;; Modules of two memories, instantiated many times over.
;; ends: upload too-complex
(component
  ;; include: types
  (core module $two (memory 1) (memory 1))
  (core instance (instantiate $two))
  (core instance (instantiate $two))
  (core instance (instantiate $two))
  (core instance (instantiate $two))
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

;; Instantiates 25 core modules, one more than it may.
;; ends: upload too-complex
(component
  ;; include: types
  (core module $empty)
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core instance (instantiate $empty))
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

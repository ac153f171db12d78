;; Imports a core module to link with.
;; ends: upload unknown-imports
(component
  (import "libc" (core module $libc))
  ;; include: types
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

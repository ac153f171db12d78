;; Exports an instance under the name `handle`.
;; ends: upload missing-exports
(component
  ;; include: types
  (core module $module
    ;; include: component-rule
)
  (core instance $rule (instantiate $module))
  (alias core export $rule "memory" (core memory $memory))
  (func $describe (result $manifest) (canon lift (core func $rule "describe") (memory $memory)))
  (export "describe" (func $describe))
  (instance $handle)
  (export "handle" (instance $handle))
)

;; Describes itself with a number.
;; ends: upload wrong-type
(component
  ;; include: types
  (core module $module
    ;; include: memory realloc
    (func (export "describe") (result i32) (i32.const 7))
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  (alias core export $rule "memory" (core memory $memory))
  (func $describe (result u32) (canon lift (core func $rule "describe")))
  (export "describe" (func $describe))
  (func $handle
    (param "event" $event) (param "invocation" $invocation)
    (result (result (list $effect) (error $failure)))
    (canon lift (core func $rule "handle") (memory $memory) (realloc (core func $rule "cabi_realloc"))))
  (export "handle" (func $handle))
)

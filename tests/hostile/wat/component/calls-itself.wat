;; Lowers what it lifted itself, and calls it with six megabytes of text.
;; ends: handle trap
(component
  ;; include: types
  (core module $memory (memory (export "memory") 200)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (func (export "take") (param i32 i32)))
  (core instance $memory (instantiate $memory))
  (func $take (param "text" string)
    (canon lift (core func $memory "take") (memory (core memory $memory "memory"))
      (realloc (core func $memory "realloc"))))
  (core func $lowered (canon lower (func $take) (memory (core memory $memory "memory"))
    (realloc (core func $memory "realloc"))))
  (core module $module
    (import "host" "take" (func $take (param i32 i32)))
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32)
      (loop $again (call $take (i32.const 1048576) (i32.const 6000000)) (br $again))
      (unreachable)))
  (core instance $rule (instantiate $module (with "host" (instance (export "take" (func $lowered))))))
  ;; include: lift
)

;; Makes resources in a loop and drops none.
;; ends: handle trap
(component
  ;; include: types
  (type $resource (resource (rep i32)))
  (core func $new (canon resource.new $resource))
  (core func $drop (canon resource.drop $resource))
  (core func $rep (canon resource.rep $resource))
  (core module $module
    (import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (import "host" "rep" (func $rep (param i32) (result i32)))
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32)
      (loop $again (drop (call $new (i32.const 1))) (br $again))
      (unreachable)))
  (core instance $rule (instantiate $module (with "host" (instance
    (export "new" (func $new)) (export "drop" (func $drop)) (export "rep" (func $rep))))))
  ;; include: lift
)

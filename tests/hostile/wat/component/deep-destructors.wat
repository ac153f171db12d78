;; Makes a resource in each destructor and drops it there, without end.
;; ends: handle stack-overflow
;; limits: {"fuel": 100000000}
(component
  ;; include: types
  (core module $destroyer
    (table (export "calls") 2 2 funcref)
    (func (export "dtor") (param $rep i32)
      (call_indirect (param i32)
        (call_indirect (param i32) (result i32) (local.get $rep) (i32.const 0))
        (i32.const 1))
      (nop)))
  (core instance $destroyer (instantiate $destroyer))
  (alias core export $destroyer "dtor" (core func $dtor))
  (type $resource (resource (rep i32) (dtor (core func $dtor))))
  (core func $new (canon resource.new $resource))
  (core func $drop (canon resource.drop $resource))
  (core func $rep (canon resource.rep $resource))
  (core module $module
    (import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (import "host" "rep" (func $rep (param i32) (result i32)))
    (import "destroyer" "calls" (table 2 2 funcref))
    (elem (i32.const 0) $new $drop)
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32)
      (call $drop (call $new (i32.const 1)))
      (unreachable)))
  (core instance $rule (instantiate $module
    (with "destroyer" (instance $destroyer))
    (with "host" (instance
      (export "new" (func $new)) (export "drop" (func $drop)) (export "rep" (func $rep))))))
  ;; include: lift
)

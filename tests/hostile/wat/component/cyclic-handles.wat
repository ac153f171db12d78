;; Makes two resources whose destructors drop each other.
;; ends: handle trap
(component
  ;; include: types
  ;; The destructor drops other handles, through a table that is filled later.
  (core module $destroyer
    (table (export "drop") 1 1 funcref)
    (global (export "first") (mut i32) (i32.const 0))
    (global (export "second") (mut i32) (i32.const 0))
    (func (export "dtor") (param $rep i32)
      (call_indirect (param i32)
        (select (global.get 0) (global.get 1) (local.get $rep)) (i32.const 0))))
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
    (import "destroyer" "drop" (table 1 1 funcref))
    (import "destroyer" "first" (global $first (mut i32)))
    (import "destroyer" "second" (global $second (mut i32)))
    (elem (i32.const 0) $drop)
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32)
      (global.set $first (call $new (i32.const 0)))
      (global.set $second (call $new (i32.const 1)))
      (call $drop (global.get $first))
      (unreachable)))
  (core instance $rule (instantiate $module
    (with "destroyer" (instance $destroyer))
    (with "host" (instance
      (export "new" (func $new)) (export "drop" (func $drop)) (export "rep" (func $rep))))))
  ;; include: lift
)

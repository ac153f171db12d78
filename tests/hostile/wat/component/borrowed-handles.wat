;; Makes and drops handles by functions that another module hands on, so that
;; they have other names, and out of a table.
;; ends: handle out-of-fuel
(component
  ;; include: types
  (type $resource (resource (rep i32)))
  (core func $new (canon resource.new $resource))
  (core func $drop (canon resource.drop $resource))
  (core module $hands-on
    (import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (table (export "table") 1 1 funcref)
    (elem (i32.const 0) $drop)
    (export "free" (func $new)))
  (core instance $hands-on (instantiate $hands-on (with "host" (instance
    (export "new" (func $new)) (export "drop" (func $drop))))))
  (core module $module
    (import "hands-on" "free" (func $new (param i32) (result i32)))
    (import "hands-on" "table" (table 1 1 funcref))
    (type $drop (func (param i32)))
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32)
      (loop $again
        (call_indirect (type $drop) (call $new (i32.const 1)) (i32.const 0))
        (br $again))
      (unreachable)))
  (core instance $rule (instantiate $module (with "hands-on" (instance $hands-on))))
  ;; include: lift
)

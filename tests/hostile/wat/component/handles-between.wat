;; Hands handles from one nested component to another without end.
;; ends: handle out-of-fuel
(component
  (component $taker
    (type $inner (resource (rep i32)))
    (export $outer "thing" (type $inner))
    (core func $new (canon resource.new $inner))
    (core func $drop (canon resource.drop $inner))
    (core module $module
      (import "host" "new" (func $new (param i32) (result i32)))
      (import "host" "drop" (func $drop (param i32)))
      (func (export "make") (result i32) (call $new (i32.const 1)))
      (func (export "take") (param i32) (call $drop (local.get 0))))
    (core instance $core (instantiate $module (with "host" (instance
      (export "new" (func $new)) (export "drop" (func $drop))))))
    (func (export "make") (result (own $outer)) (canon lift (core func $core "make")))
    (func (export "take") (param "thing" (own $outer)) (canon lift (core func $core "take"))))
  (instance $taker (instantiate $taker))
  (component $giver
    (import "taker" (instance $taker
      (export "thing" (type $thing (sub resource)))
      (export "make" (func (result (own $thing))))
      (export "take" (func (param "thing" (own $thing))))))
    ;; include: types
    (core func $make (canon lower (func $taker "make")))
    (core func $take (canon lower (func $taker "take")))
    (core module $module
      (import "taker" "make" (func $make (result i32)))
      (import "taker" "take" (func $take (param i32)))
      ;; include: component-rule
      (func (export "handle") (param i32) (result i32)
        (loop $again (call $take (call $make)) (br $again))
        (unreachable)))
    (core instance $rule (instantiate $module (with "taker" (instance
      (export "make" (func $make)) (export "take" (func $take))))))
    ;; include: lift
  )
  (instance $inner (instantiate $giver (with "taker" (instance $taker))))
  ;; include: reexport
)

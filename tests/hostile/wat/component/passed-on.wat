;; Has calls passed on by a nested component without code, which would be
;; charged for once.
;; ends: upload unmetered
(component
  (component $taker
    (core module $module (func (export "take") (param i32)))
    (core instance $core (instantiate $module))
    (func (export "take") (param "n" u32) (canon lift (core func $core "take"))))
  (instance $taker (instantiate $taker))
  (component $between
    (import "take" (func $take (param "n" u32)))
    (core func $lowered (canon lower (func $take)))
    (core instance $bundle (export "passed" (func $lowered)))
    (func (export "take") (param "n" u32) (canon lift (core func $bundle "passed"))))
  (instance $between (instantiate $between (with "take" (func $taker "take"))))
  (component $giver
    (import "take" (func $take (param "n" u32)))
    ;; include: types
    (core func $take (canon lower (func $take)))
    (core module $module
      (import "taker" "take" (func $take (param i32)))
      ;; include: component-rule
      (func (export "handle") (param i32) (result i32)
        (loop $again (call $take (i32.const 1)) (br $again))
        (unreachable)))
    (core instance $rule (instantiate $module
      (with "taker" (instance (export "take" (func $take))))))
    ;; include: lift
  )
  (instance $inner (instantiate $giver (with "take" (func $between "take"))))
  ;; include: reexport
)

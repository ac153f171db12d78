;; Has one module make room for texts, and another export that as its own.
;; ends: handle out-of-fuel
(component
  (component $taker
    (core module $behind
      (func $f (export "behind") (param i32 i32 i32 i32) (result i32) (i32.const 0))
      (func (export "taken") (result i32) (drop (ref.func $f)) (i32.const 0)))
    (core instance $behind (instantiate $behind))
    (core module $module
      (import "behind" "behind" (func $behind (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 200)
      (export "before" (func $behind))
      (func (export "take") (param i32 i32)))
    (core instance $core (instantiate $module (with "behind" (instance $behind))))
    (func (export "take") (param "text" string)
      (canon lift (core func $core "take") (memory (core memory $core "memory"))
        (realloc (core func $core "before")))))
  (instance $taker (instantiate $taker))
  (component $giver
    ;; include: text-giver
    (core module $module
      (import "memory" "memory" (memory $memory 200))
      (import "taker" "take" (func $take (param i32 i32)))
      ;; include: realloc manifest describe
      (export "memory" (memory $memory))
      (func (export "handle") (param i32) (result i32)
        (loop $again (call $take (i32.const 1048576) (i32.const 6000000)) (br $again))
        (unreachable)))
    (core instance $rule (instantiate $module
      (with "memory" (instance $memory))
      (with "taker" (instance (export "take" (func $take))))))
    ;; include: lift
  )
  (instance $inner (instantiate $giver (with "take" (func $taker "take"))))
  ;; include: reexport
)

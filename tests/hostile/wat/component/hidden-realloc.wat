;; Hides the function that makes room for texts behind two bundles and other
;; names.
;; ends: handle out-of-fuel
(component
  (component $taker
    (core module $module
      (memory (export "memory") 200)
      (func (export "hash") (param i32 i32 i32 i32) (result i32) (i32.const 0))
      (func (export "take") (param i32 i32)))
    (core instance $core (instantiate $module))
    (core instance $first (export "one" (func $core "hash")))
    (core instance $second (export "two" (func $first "one")))
    (func (export "take") (param "text" string)
      (canon lift (core func $core "take") (memory (core memory $core "memory"))
        (realloc (core func $second "two")))))
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

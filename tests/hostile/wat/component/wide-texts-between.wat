;; Hands text from one nested component to another in another encoding, letter
;; by letter, which the meter does not see.
;; ends: handle out-of-fuel
(component
  (component $taker
    (core module $module
      (memory (export "memory") 200)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
      (func (export "take") (param i32 i32)))
    (core instance $core (instantiate $module))
    (func (export "take") (param "text" string)
      (canon lift (core func $core "take") (memory (core memory $core "memory"))
        (realloc (core func $core "realloc")) string-encoding=utf8)))
  (instance $taker (instantiate $taker))
  (component $giver
    (import "take" (func $take (param "text" string)))
    ;; include: types
    (core module $memory (memory (export "memory") 200)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (unreachable)))
    (core instance $memory (instantiate $memory))
    (core func $take (canon lower (func $take) (memory (core memory $memory "memory"))
      (realloc (core func $memory "realloc")) string-encoding=utf16))
    (core module $module
      (import "memory" "memory" (memory $memory 200))
      (import "taker" "take" (func $take (param i32 i32)))
      ;; include: realloc manifest describe
      (export "memory" (memory $memory))
      (func (export "handle") (param i32) (result i32)
        (loop $again (call $take (i32.const 1048576) (i32.const 3000000)) (br $again))
        (unreachable)))
    (core instance $rule (instantiate $module
      (with "memory" (instance $memory))
      (with "taker" (instance (export "take" (func $take))))))
    ;; include: lift
  )
  (instance $inner (instantiate $giver (with "take" (func $taker "take"))))
  ;; include: reexport
)

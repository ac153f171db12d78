;; Hands single letters from one nested component to another without end.
;; ends: handle out-of-fuel
(component
  ;; include: text-taker
  (component $giver
    ;; include: text-giver
    (core module $module
      (import "memory" "memory" (memory $memory 200))
      (import "taker" "take" (func $take (param i32 i32)))
      ;; include: realloc manifest describe
      (export "memory" (memory $memory))
      (func (export "handle") (param i32) (result i32)
        (loop $again (call $take (i32.const 1048576) (i32.const 1)) (br $again))
        (unreachable)))
    (core instance $rule (instantiate $module
      (with "memory" (instance $memory))
      (with "taker" (instance (export "take" (func $take))))))
    ;; include: lift
  )
  (instance $inner (instantiate $giver (with "take" (func $taker "take"))))
  ;; include: reexport
)

;; Has a nested component answer with six megabytes of text, again and again,
;; which the host copies back.
;; ends: handle out-of-fuel
(component
  (component $teller
    (core module $module
      (memory (export "memory") 200)
      (data (i32.const 16) (i32 64 6000000))
      (func (export "tell") (result i32) (i32.const 16)))
    (core instance $core (instantiate $module))
    (func (export "tell") (result string)
      (canon lift (core func $core "tell") (memory (core memory $core "memory")))))
  (instance $teller (instantiate $teller))
  (component $asker
    (import "tell" (func $tell (result string)))
    ;; include: types
    (core module $memory (memory (export "memory") 200)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1048576)))
    (core instance $memory (instantiate $memory))
    (core func $tell (canon lower (func $tell) (memory (core memory $memory "memory"))
      (realloc (core func $memory "realloc"))))
    (core module $module
      (import "memory" "memory" (memory $memory 200))
      (import "teller" "tell" (func $tell (param i32)))
      ;; include: realloc manifest describe
      (export "memory" (memory $memory))
      (func (export "handle") (param i32) (result i32)
        (loop $again (call $tell (i32.const 512)) (br $again))
        (unreachable)))
    (core instance $rule (instantiate $module
      (with "memory" (instance $memory))
      (with "teller" (instance (export "tell" (func $tell))))))
    ;; include: lift
  )
  (instance $inner (instantiate $asker (with "tell" (func $teller "tell"))))
  ;; include: reexport
)

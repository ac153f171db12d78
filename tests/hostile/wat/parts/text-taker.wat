;; A nested component that takes texts and does nothing with them.
(component $taker
  (core module $module
    (memory (export "memory") 200)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (func (export "take") (param i32 i32)))
  (core instance $core (instantiate $module))
  (func (export "take") (param "text" string)
    (canon lift (core func $core "take") (memory (core memory $core "memory"))
      (realloc (core func $core "realloc")))))
(instance $taker (instantiate $taker))

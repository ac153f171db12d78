;; In a nested component: a memory of its own, and `$take` as a core function.
(import "take" (func $take (param "text" string)))
;; include: types
(core module $memory (memory (export "memory") 200)
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (unreachable)))
(core instance $memory (instantiate $memory))
(core func $take (canon lower (func $take) (memory (core memory $memory "memory"))
  (realloc (core func $memory "realloc"))))

;; Asks for four gigabytes at once.
;; ends: handle out-of-memory
;; limits: {"fuel": 100000000}
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 65532)))
    (unreachable)))

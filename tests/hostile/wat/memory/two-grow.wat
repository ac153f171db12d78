;; Two memories grow in turns, each below the limit, together beyond it.
;; ends: handle out-of-memory
(module
  ;; include: rule
  (memory $other 1)
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (drop (memory.grow $memory (i32.const 16)))
      (drop (memory.grow $other (i32.const 16)))
      (br $again))
    (unreachable)))

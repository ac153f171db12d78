;; Takes all memory when it is asked what it is.
;; ends: describe out-of-memory
(module
  ;; include: imports memory realloc manifest
  (func $describe (export "describe") (result i32)
    (loop $again
      (drop (memory.grow (i32.const 16)))
      (br $again))
    (unreachable))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

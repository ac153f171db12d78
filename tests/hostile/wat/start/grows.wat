;; Takes all memory in its start function.
;; ends: describe out-of-memory
(module
  ;; include: rule
  (start $start)
  (func $start
    (drop (memory.grow (i32.const 300)))
    (drop (memory.grow (i32.const 300))))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

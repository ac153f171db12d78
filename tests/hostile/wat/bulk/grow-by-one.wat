;; Grows its memory page by page, each a system call.
;; ends: handle out-of-memory
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (drop (memory.grow (i32.const 1)))
      (br $again))
    (unreachable)))

;; Grows its memory by nothing, again and again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (drop (memory.grow (i32.const 0)))
      (br $again))
    (unreachable)))

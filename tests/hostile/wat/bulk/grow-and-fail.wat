;; Asks for more memory than it declared, is refused, and asks again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (memory $small 1 2)
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (drop (memory.grow $small (i32.const 60000)))
      (br $again))
    (unreachable)))

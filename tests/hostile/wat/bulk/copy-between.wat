;; Copies from one memory to another, again and again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (memory $other 4)
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (memory.copy $other $memory (i32.const 0) (i32.const 0) (i32.const 262144))
      (br $again))
    (unreachable)))

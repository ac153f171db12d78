;; Fills 31 MiB again and again, one instruction each time.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 480)))
    (loop $again
      (memory.fill (i32.const 1024) (i32.const 7) (i32.const 31000000))
      (br $again))
    (unreachable)))

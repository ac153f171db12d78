;; Logs 1,000,000 bytes at once, again and again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 16)))
    (memory.fill (i32.const 1024) (i32.const 97) (i32.const 1000000))
    (loop $again
      (call $log (i32.const 1) (i32.const 1024) (i32.const 1000000))
      (br $again))
    (unreachable)))

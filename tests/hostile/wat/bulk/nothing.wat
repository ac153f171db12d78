;; Copies nothing, which costs little and calls the host each time.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (memory.copy (i32.const 1024) (i32.const 2048) (i32.const 0))
      (br $again))
    (unreachable)))

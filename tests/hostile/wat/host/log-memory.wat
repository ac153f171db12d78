;; Logs all of its 32 MiB as one line.
;; ends: handle output-too-large
;; limits: {"fuel": 100000000}
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 500)))
    (call $log (i32.const 1) (i32.const 0) (i32.const 33000000))
    (unreachable)))

;; Calls itself without end in its start function.
;; ends: describe stack-overflow
;; limits: {"fuel": 100000000}
(module
  ;; include: rule
  (start $start)
  (func $start
    (call $start))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

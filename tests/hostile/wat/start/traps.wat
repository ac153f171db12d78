;; Traps in its start function.
;; ends: describe trap
(module
  ;; include: rule
  (start $start)
  (func $start
    (unreachable))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Calls itself without end.
;; ends: handle stack-overflow
;; limits: {"fuel": 100000000}
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $handle (local.get $args))))

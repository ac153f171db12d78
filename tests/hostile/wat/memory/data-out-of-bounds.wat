;; Initializes one byte beyond its memory.
;; ends: describe trap
(module
  ;; include: rule
  (data (i32.const 262143) "zz")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

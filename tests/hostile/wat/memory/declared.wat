;; Declares more memory than its plan allows, to have it before any code runs.
;; ends: describe out-of-memory
(module
  ;; include: rule
  (memory $other 600)
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

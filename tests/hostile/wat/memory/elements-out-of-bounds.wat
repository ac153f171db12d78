;; Initializes a table beyond its end.
;; ends: describe trap
(module
  ;; include: rule
  (table 2 2 funcref)
  (elem (i32.const 1) $handle $handle)
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

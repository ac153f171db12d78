;; Declares a table of ten million elements.
;; ends: upload too-complex
(module
  ;; include: rule
  (table $table 10000000 funcref)
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

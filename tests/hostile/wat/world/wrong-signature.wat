;; Exports a `handle` of other parameters than its type says.
;; ends: upload wrong-type
(module
  ;; include: rule
  (func (export "handle") (param i64) (result i32) (i32.const 160)))

;; Holds references of the host's, which would have to be collected.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (table $external 10 externref)
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

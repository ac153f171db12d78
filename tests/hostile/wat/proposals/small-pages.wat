;; Has memory in pages of a byte.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (memory $small 1 (pagesize 1))
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

;; Has a memory of 64-bit addresses.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (memory $large i64 1)
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

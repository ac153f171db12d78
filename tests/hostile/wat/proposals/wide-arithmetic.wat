;; Multiplies to 128 bits.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

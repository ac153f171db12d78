;; Waits on an address, for ever.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (func (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

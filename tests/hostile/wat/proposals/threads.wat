;; Shares its memory between threads that there are not.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (memory $shared 1 1 shared)
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

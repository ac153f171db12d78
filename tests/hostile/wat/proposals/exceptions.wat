;; Throws exceptions.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (tag $tag)
  (func (throw $tag))
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

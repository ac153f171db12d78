;; Switches stacks.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (type $f (func))
  (type $c (cont $f))
  (func (param (ref null $c)))
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

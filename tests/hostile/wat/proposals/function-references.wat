;; Calls through typed references.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (type $f (func))
  (func (param (ref $f)) (call_ref $f (local.get 0)))
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

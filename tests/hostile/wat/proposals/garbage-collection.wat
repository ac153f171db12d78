;; Makes objects for the host to collect.
;; ends: upload invalid-wasm
(module
  ;; include: rule
  (type $list (struct (field (ref null 0))))
  (func (drop (struct.new_default $list)))
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

;; Has all exports, and no embedded WIT type.
;; ends: upload no-wit-type
;; as: upload
(module
  ;; include: rule
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

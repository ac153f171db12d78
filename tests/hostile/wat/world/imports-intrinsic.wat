;; Imports an intrinsic of asynchronous components.
;; ends: upload unknown-imports
(module
  (import "$root" "[waitable-set-new]" (func (result i32)))
  ;; include: rule
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

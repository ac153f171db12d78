;; Imports from the root of the world, where there is nothing.
;; ends: upload unknown-imports
(module
  (import "$root" "spawn" (func))
  ;; include: rule
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

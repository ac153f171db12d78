;; Imports a memory from the host.
;; ends: upload wrong-type
(module
  (import "ringfence:rule/host@0.1.0" "memory" (memory 1))
  ;; include: rule
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

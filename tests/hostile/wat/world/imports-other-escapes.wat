;; Imports a function of the host that there is not, by a name that clears a
;; terminal.
;; ends: upload wrong-type
(module
  (import "ringfence:rule/host@0.1.0" "\1b[2J\1b[H all is well" (func))
  ;; include: rule
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

;; Imports by a name that clears a terminal, to have it shown in the refusal.
;; ends: upload unknown-imports
(module
  (import "\1b[2J\1b[H all is well" "x" (func))
  ;; include: rule
  (func (export "handle") (param i32) (result i32) (i32.const 160)))

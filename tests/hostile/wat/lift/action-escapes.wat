;; Asks for an action whose name clears a terminal.
;; ends: handle invalid-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 1100 9 1120 2 0 0 0))
  (data (i32.const 1100) "note.\1b[2J           {}")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

;; Logs what clears a terminal and sets its title, and traps to have it shown.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) "\1b[2J\1b[H\1b]0;owned\07\c2\9b2J\08\08 all is well")
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $log (i32.const 3) (i32.const 1024) (i32.const 31))
    (unreachable)))

;; Fails with a reason that clears a terminal.
;; ends: handle rule-failed
(module
  ;; include: rule
  (data (i32.const 1024) (i32 1 2 1100 23))
  (data (i32.const 1100) "\1b[2J\1b[Hall is well, go on")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

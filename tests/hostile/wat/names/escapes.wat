;; Names its functions so that a backtrace clears the terminal.
;; ends: handle trap
(module
  ;; include: rule
  (func $evil (@name "\1b[2J\1b[H\nall is well \e2\80\aeretsam") (unreachable))
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $evil)
    (unreachable)))

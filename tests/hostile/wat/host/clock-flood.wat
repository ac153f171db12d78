;; Asks for the time without end.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again (drop (call $now)) (br $again))
    (unreachable)))

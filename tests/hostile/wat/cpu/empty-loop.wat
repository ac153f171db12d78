;; Burns CPU in a loop that does nothing.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again (br $again))
    (unreachable)))

;; Burns CPU with more fuel than there is time for.
;; ends: handle deadline
;; limits: {"fuel": 10000000000, "deadline_ms": 20}
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again (br $again))
    (unreachable)))

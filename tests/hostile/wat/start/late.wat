;; Does not come back in time from its start function.
;; ends: describe deadline
;; limits: {"fuel": 10000000000, "deadline_ms": 20}
(module
  ;; include: rule
  (start $start)
  (func $start
    (loop $again (br $again)))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

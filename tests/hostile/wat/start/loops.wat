;; Does not come back from its start function.
;; ends: describe out-of-fuel
(module
  ;; include: rule
  (start $start)
  (func $start
    (loop $again (br $again)))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

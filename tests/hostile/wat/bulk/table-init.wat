;; Copies an element segment into a table again and again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (table $table 20000 20000 funcref)
  (elem $functions func $handle $handle $handle $handle)
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (table.init $table $functions (i32.const 0) (i32.const 0) (i32.const 4))
      (br $again))
    (unreachable)))

;; Copies a table onto what overlaps it, again and again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (table $table 20000 20000 funcref)
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (table.copy $table $table (i32.const 0) (i32.const 1) (i32.const 19999))
      (br $again))
    (unreachable)))

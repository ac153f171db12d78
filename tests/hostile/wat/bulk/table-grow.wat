;; Grows a table element by element, until it is refused, and on.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (table $table 1 funcref)
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (drop (table.grow $table (ref.null func) (i32.const 1)))
      (br $again))
    (unreachable)))

;; Fills a table of 20,000 again and again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (table $table 20000 20000 funcref)
  (elem declare func $handle)
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (table.fill $table (i32.const 0) (ref.func $handle) (i32.const 20000))
      (br $again))
    (unreachable)))

;; Drops its data and elements and asks for them again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (table $table 1 1 funcref)
  (data $data "0123456789abcdef")
  (elem $functions func $handle)
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (data.drop $data)
      (elem.drop $functions)
      (memory.init $data (i32.const 1024) (i32.const 0) (i32.const 0))
      (table.init $table $functions (i32.const 0) (i32.const 0) (i32.const 0))
      (br $again))
    (unreachable)))

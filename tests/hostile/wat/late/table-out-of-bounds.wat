;; Works, and calls beyond the end of a table.
;; ends: handle trap
(module
  ;; include: rule
  (func $work (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (table 1 1 funcref)
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $sum i32)
    (local.set $sum (call $work (i32.const 500000)))
    (call_indirect (result i32) (local.get $sum))))

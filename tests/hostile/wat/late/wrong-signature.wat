;; Works, and calls a function as if it were of another type.
;; ends: handle trap
(module
  ;; include: rule
  (func $work (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (table 1 1 funcref)
  (elem (i32.const 0) $work)
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $sum i32)
    (local.set $sum (call $work (i32.const 500000)))
    (call_indirect (param i64) (result i32) (i64.const 0) (i32.const 0))))

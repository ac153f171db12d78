;; Grows a memory and a table by nothing.
(table $table 0 funcref)
(func $work (local $left i32) (local $sum i32)
  (local.set $left (i32.const 10000))
  (loop $again
    (local.set $sum (i32.add (local.get $sum) (memory.grow (i32.const 0))))
    (local.set $sum (i32.add (local.get $sum)
      (table.grow $table (ref.null func) (i32.const 0))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (local.get $sum))))

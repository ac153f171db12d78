;; Grows a memory beyond its own maximum.
(memory $small 1 2)
(func $work (local $left i32) (local $sum i32)
  (local.set $left (i32.const 5000))
  (loop $again
    (local.set $sum (i32.add (local.get $sum) (memory.grow $small (i32.const 5))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (local.get $sum))))

;; Input: an event of 250 KB, in which digits are counted.
(func $work (local $at i32) (local $count i32)
  (local.set $at (i32.const 65536))
  (loop $again
    (local.set $count (i32.add (local.get $count)
      (i32.lt_u (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)) (i32.const 10))))
    (br_if $again (i32.lt_u
      (local.tee $at (i32.add (local.get $at) (i32.const 1))) (global.get $heap))))
  (global.set $out (i64.extend_i32_u (local.get $count))))

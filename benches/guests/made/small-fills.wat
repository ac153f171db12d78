;; Fills nothing, in memory that was never touched.
(func $work (local $left i32) (local $size i32)
  (local.set $left (i32.const 20000))
  (loop $again
    (local.set $size (i32.and (i32.shl (local.get $left) (i32.const 31)) (i32.const 1)))
    (memory.fill (i32.const 0x1f0000) (i32.const 0) (local.get $size))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (local.get $size))))

;; memory.fill over memory in use: 16 bytes to 64 KiB at a time.
(func $work (local $round i32) (local $size i32)
  (loop $rounds
    (local.set $size (i32.const 16))
    (loop $sizes
      (memory.fill (i32.const 0x100000) (local.get $round) (local.get $size))
      (br_if $sizes (i32.le_u
        (local.tee $size (i32.shl (local.get $size) (i32.const 1))) (i32.const 65536))))
    (br_if $rounds (i32.lt_u
      (local.tee $round (i32.add (local.get $round) (i32.const 1))) (i32.const 800))))
  (global.set $out (i64.load (i32.const 0x100000))))

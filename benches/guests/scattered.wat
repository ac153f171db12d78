;; Loads and stores all over 512 KiB: counts by hash.
(func $work (local $left i32) (local $x i32) (local $at i32)
  (local.set $left (i32.const 300000))
  (local.set $x (i32.const 12345))
  (loop $again
    (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
    (local.set $at (i32.and (i32.shr_u (local.get $x) (i32.const 10)) (i32.const 0x7fffc)))
    (i32.store offset=0x100000 (local.get $at)
      (i32.add (i32.load offset=0x100000 (local.get $at)) (i32.const 1)))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (local.get $x))))

;; Follows pointers all over 16 MiB: each load waits for the one before and
;; for main memory.
(memory $ring 256)
(func $work (local $at i32) (local $left i32)
  (loop $build
    (i32.store $ring (local.get $at)
      (i32.and (i32.add (i32.mul (local.get $at) (i32.const 5)) (i32.const 0x9e3740))
        (i32.const 0xffffc0)))
    (br_if $build (i32.lt_u
      (local.tee $at (i32.add (local.get $at) (i32.const 64))) (i32.const 0x1000000))))
  (local.set $left (i32.const 200000))
  (local.set $at (i32.const 0))
  (loop $again
    (local.set $at (i32.load $ring (local.get $at)))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (local.get $at))))

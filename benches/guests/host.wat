;; Host calls: the clock, randomness, remembered values and the log.
(func $work (local $left i32) (local $sum i64)
  (local.set $left (i32.const 3000))
  (loop $again
    (local.set $sum (i64.add (local.get $sum) (call $now)))
    (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $random))))
    (call $recall (i32.const 1024) (i32.const 7) (i32.const 2048))
    (call $log (i32.const 1) (i32.const 0x100000)
      (i32.and (local.get $left) (i32.const 1023)))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (local.get $sum)))

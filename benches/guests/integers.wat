;; Integer arithmetic in a loop: xorshift, summed up.
(func $work (local $left i32) (local $x i64) (local $sum i64)
  (local.set $left (i32.const 400000))
  (local.set $x (i64.const 88172645463325252))
  (loop $again
    (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
    (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
    (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
    (local.set $sum (i64.add (local.get $sum) (i64.and (local.get $x) (i64.const 255))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (local.get $sum)))

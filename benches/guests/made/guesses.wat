;; Branches that no processor can foresee.
(func $work (local $left i32) (local $x i32) (local $sum i32)
  (local.set $left (i32.const 100000))
  (local.set $x (i32.const 1))
  (loop $again
    (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
    (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
    (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
    (if (i32.and (local.get $x) (i32.const 1))
      (then (i32.store (i32.const 0x100000) (local.get $x))
        (local.set $sum (i32.mul (local.get $sum) (i32.const 5))))
      (else (local.set $sum (i32.load (i32.const 0x100000)))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (local.get $sum))))

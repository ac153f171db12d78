;; br_table: an interpreter of a small bytecode, eight operations by turns.
(func $work (local $left i32) (local $pc i32) (local $acc i32) (local $x i32)
  (local.set $left (i32.const 0))
  (loop $fill
    (i32.store8 offset=0x100000 (local.get $left)
      (i32.shr_u (i32.mul (local.get $left) (i32.const 0x9E3779B1)) (i32.const 29)))
    (br_if $fill (i32.lt_u
      (local.tee $left (i32.add (local.get $left) (i32.const 1))) (i32.const 1024))))
  (local.set $left (i32.const 250000))
  (loop $again
    (block $next
      (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
        (br_table $0 $1 $2 $3 $4 $5 $6 $7
          (i32.load8_u offset=0x100000 (local.get $pc))))
        (local.set $acc (i32.add (local.get $acc) (local.get $x))) (br $next))
        (local.set $x (i32.xor (local.get $acc) (local.get $pc))) (br $next))
        (local.set $acc (i32.mul (local.get $acc) (i32.const 31))) (br $next))
        (local.set $x (i32.shr_u (local.get $x) (i32.const 1))) (br $next))
        (i32.store offset=0x101000 (i32.const 0) (local.get $acc)) (br $next))
        (local.set $x (i32.load offset=0x101000 (i32.const 0))) (br $next))
        (local.set $acc (i32.sub (local.get $acc) (local.get $x))) (br $next))
        (local.set $x (i32.rotl (local.get $x) (local.get $acc))))
    (local.set $pc (i32.and (i32.add (local.get $pc) (i32.const 1)) (i32.const 1023)))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (i32.xor (local.get $acc) (local.get $x)))))

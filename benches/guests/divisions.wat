;; Integer division: greatest common divisors by Euclid's algorithm.
(func $gcd (param $a i64) (param $b i64) (result i64) (local $rest i64)
  (loop $again
    (if (i64.eqz (local.get $b)) (then (return (local.get $a))))
    (local.set $rest (i64.rem_u (local.get $a) (local.get $b)))
    (local.set $a (local.get $b))
    (local.set $b (local.get $rest))
    (br $again))
  (unreachable))
(func $work (local $left i32) (local $sum i64)
  (local.set $left (i32.const 12000))
  (loop $again
    (local.set $sum (i64.add (local.get $sum) (call $gcd
      (i64.mul (i64.extend_i32_u (local.get $left)) (i64.const 982451653))
      (i64.add (i64.extend_i32_u (local.get $left)) (i64.const 1134903170)))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (local.get $sum)))

;; Calls: Fibonacci numbers by recursion.
(func $fib (param $n i32) (result i32)
  (if (i32.lt_u (local.get $n) (i32.const 2)) (then (return (local.get $n))))
  (i32.add
    (call $fib (i32.sub (local.get $n) (i32.const 1)))
    (call $fib (i32.sub (local.get $n) (i32.const 2)))))
(func $work (global.set $out (i64.extend_i32_u (call $fib (i32.const 24)))))

;; Square roots of quotients, each waiting for the one before.
(func $work (local $left i32) (local $x f64)
  (local.set $left (i32.const 100000))
  (local.set $x (f64.const 3))
  (loop $again
    (local.set $x (f64.sqrt (f64.div (f64.const 7.7) (local.get $x))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.reinterpret_f64 (local.get $x))))

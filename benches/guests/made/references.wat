;; Asks for a reference to a function, which the engine has a function for.
(elem declare func $nothing)
(func $nothing)
(func $work (local $left i32) (local $sum i32)
  (local.set $left (i32.const 50000))
  (loop $again
    (local.set $sum (i32.add (local.get $sum) (ref.is_null (ref.func $nothing))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (local.get $sum))))

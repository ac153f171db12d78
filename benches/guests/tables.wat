;; Tables: calls through one, and its entries moved, filled and grown.
(type $step (func (param i32) (result i32)))
(table $steps 8 1200 funcref)
(elem (table $steps) (i32.const 0) func $a $b $c $d)
(elem declare func $a)
(func $a (type $step) (i32.add (local.get 0) (i32.const 7)))
(func $b (type $step) (i32.xor (local.get 0) (i32.const 1234567)))
(func $c (type $step) (i32.rotl (local.get 0) (i32.const 3)))
(func $d (type $step) (i32.sub (local.get 0) (i32.const 99)))
(func $work (local $left i32) (local $x i32)
  (drop (table.grow $steps (ref.null func) (i32.const 1000)))
  (local.set $left (i32.const 60000))
  (loop $again
    (local.set $x (call_indirect $steps (type $step)
      (local.get $x) (i32.and (local.get $left) (i32.const 3))))
    (table.set $steps
      (i32.add (i32.const 4) (i32.and (local.get $x) (i32.const 3)))
      (table.get $steps (i32.and (local.get $left) (i32.const 3))))
    (if (i32.eqz (i32.and (local.get $left) (i32.const 255)))
      (then
        (table.fill $steps (i32.const 8) (ref.func $a) (i32.const 1000))
        (table.copy $steps $steps (i32.const 16) (i32.const 8) (i32.const 500))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (local.get $x))))

;; Calls through a table at random, so that no call is foreseen.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (table 4 4 funcref)
  (elem (i32.const 0) $a $b $c $d)
  (func $a (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $b (param i32) (result i32) (i32.xor (local.get 0) (i32.const 99)))
  (func $c (param i32) (result i32) (i32.rotl (local.get 0) (i32.const 7)))
  (func $d (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $seed i32)
    (loop $again
      (local.set $seed
        (i32.add (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
      (local.set $seed (call_indirect (param i32) (result i32)
        (local.get $seed) (i32.shr_u (local.get $seed) (i32.const 30))))
      (br $again))
    (unreachable)))

;; Jumps around in a loop through a table, so that no branch is foreseen.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $seed i32)
    (loop $again
      (local.set $seed
        (i32.add (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
      (block $a (block $b (block $c
        (br_table $a $b $c $again (i32.shr_u (local.get $seed) (i32.const 30))))
        (br $again))
        (br $again))
      (br $again))
    (unreachable)))

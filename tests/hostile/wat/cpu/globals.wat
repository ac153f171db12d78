;; Passes its state through many mutable globals.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (global $a (mut i64) (i64.const 0))
  (global $b (mut i64) (i64.const 0))
  (global $c (mut i64) (i64.const 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (global.set $a (i64.add (global.get $b) (i64.const 1)))
      (global.set $b (i64.add (global.get $c) (i64.const 1)))
      (global.set $c (i64.add (global.get $a) (i64.const 1)))
      (br $again))
    (unreachable)))

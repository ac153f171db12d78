;; Walks through 30 MiB in an order that no cache foresees.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $at i32) (local $sum i32)
    (drop (memory.grow (i32.const 476)))
    (loop $again
      (local.set $at (i32.add (i32.mul (local.get $at) (i32.const 1103515245)) (i32.const 12345)))
      (local.set $sum (i32.add (local.get $sum)
        (i32.load (i32.add (i32.const 65536) (i32.rem_u (local.get $at) (i32.const 31000000))))))
      (br $again))
    (unreachable)))

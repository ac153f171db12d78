;; Output: 60 effects of a kilobyte of JSON each.
(func $work (local $at i32) (local $effect i32)
  (local.set $at (i32.const 0x100000))
  (loop $json
    (i32.store16 (local.get $at) (i32.const 0x2c31))
    (br_if $json (i32.lt_u
      (local.tee $at (i32.add (local.get $at) (i32.const 2))) (i32.const 0x1003e8))))
  (i32.store8 (i32.const 0x100000) (i32.const 0x5b))
  (i32.store8 (i32.const 0x1003e7) (i32.const 0x5d))
  (i32.store8 (i32.const 0x100001) (i32.const 0x20))
  (local.set $at (i32.const 0x110000))
  (loop $effects
    (i32.store (local.get $at) (i32.const 1))
    (i32.store offset=4 (local.get $at) (i32.const 1042))
    (i32.store offset=8 (local.get $at) (i32.const 8))
    (i32.store offset=12 (local.get $at) (i32.const 0x100000))
    (i32.store offset=16 (local.get $at) (i32.const 1000))
    (local.set $at (i32.add (local.get $at) (i32.const 32)))
    (br_if $effects (i32.lt_u
      (local.tee $effect (i32.add (local.get $effect) (i32.const 1))) (i32.const 60))))
  (i32.store (i32.const 1156) (i32.const 0x110000))
  (i32.store (i32.const 1160) (i32.const 60)))

;; Sorting: 16,384 numbers by heap sort.
(func $at (param $index i32) (result i32)
  (i32.add (i32.const 0x100000) (i32.shl (local.get $index) (i32.const 2))))
(func $sift (param $root i32) (param $end i32) (local $child i32) (local $value i32)
  (local.set $value (i32.load (call $at (local.get $root))))
  (block $done
    (loop $down
      (local.set $child (i32.add (i32.shl (local.get $root) (i32.const 1)) (i32.const 1)))
      (br_if $done (i32.ge_u (local.get $child) (local.get $end)))
      (if (i32.lt_u (i32.add (local.get $child) (i32.const 1)) (local.get $end))
        (then (if (i32.lt_u
            (i32.load (call $at (local.get $child)))
            (i32.load (call $at (i32.add (local.get $child) (i32.const 1)))))
          (then (local.set $child (i32.add (local.get $child) (i32.const 1)))))))
      (br_if $done (i32.ge_u (local.get $value) (i32.load (call $at (local.get $child)))))
      (i32.store (call $at (local.get $root)) (i32.load (call $at (local.get $child))))
      (local.set $root (local.get $child))
      (br $down)))
  (i32.store (call $at (local.get $root)) (local.get $value)))
(func $work (local $index i32) (local $x i32)
  (local.set $x (i32.const 42))
  (loop $fill
    (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
    (i32.store (call $at (local.get $index)) (local.get $x))
    (br_if $fill (i32.lt_u
      (local.tee $index (i32.add (local.get $index) (i32.const 1))) (i32.const 16384))))
  (local.set $index (i32.const 8192))
  (loop $heap
    (local.set $index (i32.sub (local.get $index) (i32.const 1)))
    (call $sift (local.get $index) (i32.const 16384))
    (br_if $heap (local.get $index)))
  (local.set $index (i32.const 16383))
  (loop $sort
    (local.set $x (i32.load (i32.const 0x100000)))
    (i32.store (i32.const 0x100000) (i32.load (call $at (local.get $index))))
    (i32.store (call $at (local.get $index)) (local.get $x))
    (call $sift (i32.const 0) (local.get $index))
    (br_if $sort (local.tee $index (i32.sub (local.get $index) (i32.const 1)))))
  (global.set $out (i64.extend_i32_u (i32.load (i32.const 0x100000)))))

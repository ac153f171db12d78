;; Growth: a memory grown page by page, each filled with 64-bit words.
(memory $other 0)
(func $work (local $pages i32) (local $at i32) (local $end i32)
  (loop $grow
    (local.set $at (i32.shl (memory.grow $other (i32.const 1)) (i32.const 16)))
    (local.set $end (i32.add (local.get $at) (i32.const 65536)))
    (loop $words
      (i64.store $other (local.get $at) (i64.extend_i32_u (local.get $at)))
      (br_if $words (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 8))) (local.get $end))))
    (br_if $grow (i32.lt_u
      (local.tee $pages (i32.add (local.get $pages) (i32.const 1))) (i32.const 200))))
  (global.set $out (i64.extend_i32_u (local.get $end))))

;; Growth: as an allocator that takes 64 KiB for each kind of thing, and has
;; few of each: 300 pages, one by one, a word in each.
(memory $heap 0)
(func $work (local $page i32) (local $at i32)
  (loop $again
    (local.set $at (i32.shl (memory.grow $heap (i32.const 1)) (i32.const 16)))
    (i64.store $heap (local.get $at) (i64.extend_i32_u (local.get $at)))
    (br_if $again (i32.lt_u
      (local.tee $page (i32.add (local.get $page) (i32.const 1))) (i32.const 300))))
  (global.set $out (i64.extend_i32_u (local.get $at))))

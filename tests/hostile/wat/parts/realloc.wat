;; Hands out memory from 64 KiB on, and takes none back.
(global $heap (mut i32) (i32.const 65536))
(func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
  (global.get $heap)
  (global.set $heap (i32.add (global.get $heap) (local.get 3))))

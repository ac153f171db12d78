;; Recalls from within the host's call for memory for what it recalls.
;; ends: handle trap
(module
  ;; include: imports memory manifest describe
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (global.get $deep) (then
      (call $recall (i32.const 16) (i32.const 6) (i32.const 1024))))
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (i32.const 4096))))
  (global $deep (mut i32) (i32.const 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (global.set $deep (i32.const 1))
    (call $recall (i32.const 16) (i32.const 6) (i32.const 1024))
    (unreachable)))

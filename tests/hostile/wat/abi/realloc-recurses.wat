;; Calls itself without end where it is asked for memory.
;; ends: handle stack-overflow
;; limits: {"fuel": 100000000}
(module
  ;; include: imports memory manifest describe
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $realloc (local.get 0) (local.get 1) (local.get 2) (i32.add (local.get 3) (i32.const 1))))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

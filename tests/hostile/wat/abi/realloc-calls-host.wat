;; Calls the host from within the host's call for memory.
;; ends: handle trap
(module
  ;; include: imports memory manifest describe
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $log (i32.const 1) (i32.const 16) (i32.const 6))
    (i32.const 65536))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

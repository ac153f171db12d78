;; Answers every request for memory with the address of its manifest, and so
;; overwrites its result.
;; ends: handle trap
(module
  ;; include: imports memory manifest describe
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (i32.const 96))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

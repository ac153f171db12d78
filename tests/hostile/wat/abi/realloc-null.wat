;; Answers every request for memory with address 0, so that its event is one
;; on top of the other.
;; ends: harmless
(module
  ;; include: imports memory manifest describe
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (i32.const 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Works for long each time it is asked for memory, and then traps on its own
;; result.
;; ends: handle out-of-fuel
(module
  ;; include: imports memory manifest describe
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $spin (i32.const 1000000))
    (i32.const 65536))
  (func $spin (param $n i32)
    (loop $again
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

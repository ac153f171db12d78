;; Spins inside a host call: where the host asks for memory for what it
;; recalled.
;; ends: handle out-of-fuel
(module
  ;; include: imports memory manifest describe
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (loop $again (br_if $again (global.get $spinning)))
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (i32.const 4096))))
  (global $spinning (mut i32) (i32.const 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (global.set $spinning (i32.const 1))
    (call $recall (i32.const 16) (i32.const 6) (i32.const 1024))
    (unreachable)))

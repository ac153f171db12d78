;; Returns 64 effects that all point to the same 64 KiB.
;; ends: handle output-too-large
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 64))
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $at i32)
    (memory.fill (i32.const 65536) (i32.const 57) (i32.const 65536))
    (local.set $at (i32.const 1040))
    (loop $again
      (v128.store (local.get $at) (v128.const i32x4 1 32 5 65536))
      (i32.store offset=16 (local.get $at) (i32.const 65536))
      (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 32))) (i32.const 3088))))
    (i32.const 1024)))

;; Returns a list whose texts are the list itself.
;; ends: handle output-too-large
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 131072 4000))
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $at i32)
    (local.set $at (i32.const 131072))
    (loop $again
      (v128.store (local.get $at) (v128.const i32x4 1 131072 98175 131072))
      ;; 0x17f7f: such that all bytes are text.
      (i32.store offset=16 (local.get $at) (i32.const 98175))
      (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 32))) (i32.const 259072))))
    (i32.const 1024)))

;; Recalls one key more than it may.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $n i32)
    (loop $again
      (i32.store (i32.const 1040) (i32.add (i32.const 0x30303030)
        (i32.or (i32.and (local.get $n) (i32.const 7))
          (i32.or (i32.shl (i32.and (local.get $n) (i32.const 56)) (i32.const 5))
            (i32.shl (i32.and (local.get $n) (i32.const 448)) (i32.const 10))))))
      (call $recall (i32.const 1040) (i32.const 4) (i32.const 1024))
      (global.set $heap (i32.const 65536))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 257))))
    (i32.const 160)))

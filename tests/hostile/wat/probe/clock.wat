;; Measures time, to tell what its neighbours do.
;; ends: harmless
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $n i32) (local $then i64)
    (local.set $then (call $now))
    (loop $again
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100000))))
    (if (i64.ne (local.get $then) (call $now)) (then (unreachable)))
    (i32.const 160)))

;; Touches every page that it may have, in each run.
;; ends: harmless
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $at i32)
    (drop (memory.grow (i32.const 500)))
    (local.set $at (i32.const 65536))
    (loop $again
      (i64.store (local.get $at) (i64.const -1))
      (br_if $again (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const 33030144))))
    (i32.const 160)))

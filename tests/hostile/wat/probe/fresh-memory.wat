;; Reads all memory that it may have, for what others left there, and leaves
;; something in each page.
;; ends: harmless
;; limits: {"fuel": 100000000}
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $at i32)
    (drop (memory.grow (i32.const 500)))
    (local.set $at (i32.const 131072))
    (loop $again
      (if (v128.any_true (v128.load (local.get $at))) (then (unreachable)))
      (br_if $again (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 16))) (i32.const 33030144))))
    (memory.fill (i32.const 131072) (i32.const 0xa5) (i32.const 32899072))
    (i32.const 160)))

;; Calls itself with frames of kilobytes, to jump over the guard page.
;; ends: handle stack-overflow
;; limits: {"fuel": 100000000}
(module
  ;; include: rule
  (func $deep (param $n i64)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $e v128) (local $f v128) (local $g v128) (local $h v128)
    (local.set $a (i64x2.splat (local.get $n)))
    (local.set $b (i64x2.add (local.get $a) (local.get $a)))
    (local.set $c (i64x2.add (local.get $b) (local.get $a)))
    (local.set $d (i64x2.add (local.get $c) (local.get $b)))
    (local.set $e (i64x2.add (local.get $d) (local.get $c)))
    (local.set $f (i64x2.add (local.get $e) (local.get $d)))
    (local.set $g (i64x2.add (local.get $f) (local.get $e)))
    (local.set $h (i64x2.add (local.get $g) (local.get $f)))
    (call $deep (i64.add (local.get $n) (i64.const 1)))
    ;; All are needed after the call, so all are kept across it.
    (v128.store (i32.const 1024) (i64x2.add
      (i64x2.add (i64x2.add (local.get $a) (local.get $b)) (i64x2.add (local.get $c) (local.get $d)))
      (i64x2.add (i64x2.add (local.get $e) (local.get $f)) (i64x2.add (local.get $g) (local.get $h))))))
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $deep (i64.const 1))
    (unreachable)))

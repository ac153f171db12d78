;; Declares every table and element that a component may have, and fills them.
;; ends: harmless
(module
  ;; include: rule
  (table $a 20000 funcref)
  (table $b 20000 funcref)
  (table $c 20000 funcref)
  (elem declare func $handle)
  (func $handle (export "handle") (param $args i32) (result i32)
    (table.fill $a (i32.const 0) (ref.func $handle) (i32.const 20000))
    (table.fill $b (i32.const 0) (ref.func $handle) (i32.const 20000))
    (table.fill $c (i32.const 0) (ref.func $handle) (i32.const 20000))
    (i32.const 160)))

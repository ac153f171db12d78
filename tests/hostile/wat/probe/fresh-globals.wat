;; Looks for what its last run left in a global and a table.
;; ends: harmless
(module
  ;; include: rule
  (global $seen (mut i32) (i32.const 0))
  (table $table 20000 funcref)
  (elem declare func $handle)
  (func $handle (export "handle") (param $args i32) (result i32)
    (if (global.get $seen) (then (unreachable)))
    (if (i32.eqz (ref.is_null (table.get $table (i32.const 19999)))) (then (unreachable)))
    (global.set $seen (i32.const 1))
    (table.fill $table (i32.const 0) (ref.func $handle) (i32.const 20000))
    (i32.const 160)))

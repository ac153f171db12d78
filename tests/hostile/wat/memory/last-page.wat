;; Writes into the last page that it may have, to its last byte.
;; ends: harmless
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 507)))
    (i64.store (i32.const 33488888) (i64.const -1))
    (i64.store offset=33423352 (i32.const 65536) (i64.const -1))
    (i32.const 160)))

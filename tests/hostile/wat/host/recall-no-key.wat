;; Recalls a key without a name.
;; ends: harmless
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $recall (i32.const 0) (i32.const 0) (i32.const 1024))
    (i32.const 160)))

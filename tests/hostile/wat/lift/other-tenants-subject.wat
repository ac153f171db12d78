;; Emits with a subject that looks like another tenant's.
;; ends: harmless
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  0 24 8 1 1100 12 1120 2))
  (data (i32.const 1100) "../alice/s-1        {}")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

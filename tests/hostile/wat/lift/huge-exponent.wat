;; Returns a number beyond every floating-point number.
;; ends: harmless
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 5 1100 12 0 0 0))
  (data (i32.const 1100) "1e9999999999")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

;; Returns a payload with half a pair of surrogates, written as an escape.
;; ends: harmless
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 5 1100 8 0 0 0))
  (data (i32.const 1100) "\22\5cud800\22")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

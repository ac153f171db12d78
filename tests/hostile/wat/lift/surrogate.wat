;; Returns a payload with half a pair of surrogates, as three bytes.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 6 1100 5 0 0 0))
  (data (i32.const 1100) "\22\ed\a0\80\22")
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

;; Returns 64 effects of zeros.
;; ends: handle invalid-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 131072 64))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

;; Returns a list of four billion effects.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 0xffffffff))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

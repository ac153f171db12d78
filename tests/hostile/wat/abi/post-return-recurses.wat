;; Calls itself without end after its effects were taken.
;; ends: handle stack-overflow
;; limits: {"fuel": 100000000}
(module
  ;; include: rule
  (func (export "cabi_post_handle") (param i32)
    (call $deep))
  (func $deep
    (call $deep))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

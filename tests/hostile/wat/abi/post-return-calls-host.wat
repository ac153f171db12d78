;; Logs after its effects were taken.
;; ends: handle trap
(module
  ;; include: rule
  (func (export "cabi_post_handle") (param i32)
    (call $log (i32.const 1) (i32.const 16) (i32.const 6)))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Grows its memory after its effects were taken.
;; ends: handle out-of-memory
(module
  ;; include: rule
  (func (export "cabi_post_handle") (param i32)
    (drop (memory.grow (i32.const 600))))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Emits with a subject that is neither there nor not.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  0 24 8 5 16 1 16 1))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

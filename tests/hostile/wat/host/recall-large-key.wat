;; Recalls a key of 100,000 bytes.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (memory.fill (i32.const 1024) (i32.const 97) (i32.const 100000))
    (call $recall (i32.const 1024) (i32.const 100000) (i32.const 16))
    (unreachable)))

;; Has the answer written to an odd address.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $recall (i32.const 16) (i32.const 6) (i32.const 1025))
    (unreachable)))

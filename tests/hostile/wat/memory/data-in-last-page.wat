;; Initializes the last byte of its memory.
;; ends: harmless
(module
  ;; include: rule
  (data (i32.const 262143) "z")
  (func $handle (export "handle") (param $args i32) (result i32)
    (if (i32.ne (i32.load8_u (i32.const 262143)) (i32.const 122)) (then (unreachable)))
    (i32.const 160)))

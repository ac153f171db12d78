;; Declares more memory than any plan allows.
;; ends: upload too-complex
(module
  ;; include: rule
  (memory $other 65536)
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Returns a list of 100,000 effects, all the same bytes.
;; ends: handle output-too-large
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 65536 100000))
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 50)))
    (i32.const 1024)))

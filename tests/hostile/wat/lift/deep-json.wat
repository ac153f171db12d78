;; Returns a payload of arrays nested 30,000 deep.
;; ends: handle invalid-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 5 65536 60000 0 0 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 8)))
    (memory.fill (i32.const 65536) (i32.const 91) (i32.const 30000))
    (memory.fill (i32.const 95536) (i32.const 93) (i32.const 30000))
    (i32.const 1024)))

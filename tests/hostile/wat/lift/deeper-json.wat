;; Returns a payload of arrays nested 250,000 deep, where the plan has room
;; for it.
;; ends: handle invalid-effect
;; limits: {"output_bytes": 1000000}
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 5 65536 500000 0 0 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 8)))
    (memory.fill (i32.const 65536) (i32.const 91) (i32.const 250000))
    (memory.fill (i32.const 315536) (i32.const 93) (i32.const 250000))
    (i32.const 1024)))

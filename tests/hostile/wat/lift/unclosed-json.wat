;; Returns a payload that opens 60,000 arrays and closes none.
;; ends: handle invalid-effect
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0 1040 1 0  1 32 5 65536 60000 0 0 0))
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 8)))
    (memory.fill (i32.const 65536) (i32.const 91) (i32.const 60000))
    (memory.fill (i32.const 130000) (i32.const 93) (i32.const 60000))
    (i32.const 1024)))

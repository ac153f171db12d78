;; Fails with a reason of a megabyte.
;; ends: handle rule-failed
(module
  ;; include: rule
  (data (i32.const 1024) (i32 1 2 65536 1000000))
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 16)))
    (memory.fill (i32.const 65536) (i32.const 97) (i32.const 1000000))
    (i32.const 1024)))

;; Copies 15 MiB onto what overlaps it, again and again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (memory.grow (i32.const 480)))
    (loop $again
      (memory.copy (i32.const 1024) (i32.const 1025) (i32.const 15000000))
      (br $again))
    (unreachable)))

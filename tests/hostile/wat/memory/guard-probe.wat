;; Reads at every power of two beyond its memory.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (drop (i64.load offset=4294967288 (i32.const -1)))
    (unreachable)))

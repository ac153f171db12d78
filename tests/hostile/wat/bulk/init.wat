;; Copies a data segment into memory again and again.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (data $data "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (memory.init $data (i32.const 1024) (i32.const 0) (i32.const 64))
      (br $again))
    (unreachable)))

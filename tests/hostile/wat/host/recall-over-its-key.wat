;; Has the answer written over the key that it asks for, and asks again.
;; ends: handle trap
(module
  ;; include: rule
  (data (i32.const 1024) "twelve bytes")
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $recall (i32.const 1024) (i32.const 12) (i32.const 1024))
    (call $recall (i32.const 1024) (i32.const 12) (i32.const 1024))
    ;; Now the key is an address: 0x00010148 and on are text, 0x000105fe is not.
    (i32.store (i32.const 1028) (i32.const 0x000105fe))
    (call $recall (i32.const 1024) (i32.const 12) (i32.const 1024))
    (unreachable)))

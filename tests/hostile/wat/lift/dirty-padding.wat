;; Returns effects with its secrets in all the padding between them.
;; ends: handle rule-failed
(module
  ;; include: rule
  (data (i32.const 1024) (i32 0xabcdef01 0xabcdef02 16 6))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 1024)))

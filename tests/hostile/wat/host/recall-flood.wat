;; Recalls the same key without end.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (loop $again
      (call $recall (i32.const 16) (i32.const 6) (i32.const 1024))
      ;; So that it is the calls that cost, and not the memory.
      (global.set $heap (i32.const 65536))
      (br $again))
    (unreachable)))

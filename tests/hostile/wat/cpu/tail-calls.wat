;; Two functions hand over to each other by tail calls, which take no stack.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $ping (param i64 i64 i64 i64 i64 i64 i64 i64)
    (return_call $pong (local.get 0)))
  ;; Of other parameters, so that the stack's arguments move at each step.
  (func $pong (param i64)
    (return_call $ping (local.get 0) (local.get 0) (local.get 0) (local.get 0)
      (local.get 0) (local.get 0) (local.get 0) (local.get 0)))
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $ping (i64.const 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7))
    (unreachable)))

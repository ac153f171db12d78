;; Two functions call each other through a table without end.
;; ends: handle stack-overflow
;; limits: {"fuel": 100000000}
(module
  ;; include: rule
  (type $step (func (param i32)))
  (table 2 2 funcref)
  (elem (i32.const 0) $ping $pong)
  (func $ping (param i32) (call_indirect (type $step) (local.get 0) (i32.const 1)) (nop))
  (func $pong (param i32) (call_indirect (type $step) (local.get 0) (i32.const 0)) (nop))
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $ping (i32.const 0))
    (unreachable)))

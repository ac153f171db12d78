;; Names its functions so that a short name demangles to a megabyte, 32 times
;; over.
;; ends: handle trap
(module
  ;; include: rule
  (func $evil (@name "_RYFG_FGyyEvRYFF_EvRYFFEvERLB_B_B_ERLRjB_B_B_") (param i32)
    (if (i32.eqz (local.get 0)) (then (unreachable)))
    (call $evil (i32.sub (local.get 0) (i32.const 1)))
    (nop))
  (func $handle (export "handle") (param $args i32) (result i32)
    (call $evil (i32.const 40))
    (unreachable)))

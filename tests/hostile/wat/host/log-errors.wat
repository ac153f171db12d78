;; Logs errors of a kilobyte, which are kept beyond the log for a trap, and
;; traps.
;; ends: handle trap
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $n i32)
    (memory.fill (i32.const 1024) (i32.const 97) (i32.const 4096))
    (loop $again
      (call $log (i32.const 3) (i32.const 1024) (i32.const 4096))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))
    (unreachable)))

;; Starts well when it is uploaded, and does not come back when it is run.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (start $start)
  ;; At the upload the clock stands at 0.
  (func $start (loop $again (br_if $again (i64.ne (call $now) (i64.const 0)))))
  (func $handle (export "handle") (param $args i32) (result i32)
    (i32.const 160)))

;; Reads and writes across the borders of pages.
;; ends: handle out-of-fuel
(module
  ;; include: rule
  (func $handle (export "handle") (param $args i32) (result i32)
    (local $at i32)
    (loop $again
      (local.set $at (i32.and (i32.add (local.get $at) (i32.const 4096)) (i32.const 0x1ffff)))
      (i64.store offset=4092 align=1 (local.get $at)
        (i64.add (i64.load offset=4092 align=1 (local.get $at)) (i64.const 1)))
      (br $again))
    (unreachable)))

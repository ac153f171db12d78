;; Growth: numbers written out in decimal, one behind the other, into a memory
;; that is grown page by page as it fills.
(memory $text 0)
(global $end (mut i32) (i32.const 0))
(global $room (mut i32) (i32.const 0))
(func $put (param $byte i32)
  (if (i32.ge_u (global.get $end) (global.get $room))
    (then
      (drop (memory.grow $text (i32.const 1)))
      (global.set $room (i32.add (global.get $room) (i32.const 65536)))))
  (i32.store8 $text (global.get $end) (local.get $byte))
  (global.set $end (i32.add (global.get $end) (i32.const 1))))
(func $number (param $n i32)
  (if (i32.ge_u (local.get $n) (i32.const 10))
    (then (call $number (i32.div_u (local.get $n) (i32.const 10)))))
  (call $put (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10)))))
(func $work (local $n i32)
  (loop $again
    (call $number (i32.mul (local.get $n) (i32.const 7919)))
    (call $put (i32.const 32))
    (br_if $again (i32.lt_u
      (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100000))))
  (global.set $out (i64.extend_i32_u (global.get $end))))

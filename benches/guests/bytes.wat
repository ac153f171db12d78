;; Bytes one by one: a CRC-32 by table.
(func $work (local $index i32) (local $crc i32) (local $bit i32)
  (loop $table
    (local.set $crc (local.get $index))
    (local.set $bit (i32.const 8))
    (loop $bits
      (local.set $crc (select
        (i32.xor (i32.shr_u (local.get $crc) (i32.const 1)) (i32.const 0xEDB88320))
        (i32.shr_u (local.get $crc) (i32.const 1))
        (i32.and (local.get $crc) (i32.const 1))))
      (br_if $bits (local.tee $bit (i32.sub (local.get $bit) (i32.const 1)))))
    (i32.store offset=0x100000 (i32.shl (local.get $index) (i32.const 2)) (local.get $crc))
    (br_if $table (i32.lt_u
      (local.tee $index (i32.add (local.get $index) (i32.const 1))) (i32.const 256))))
  (local.set $crc (i32.const -1))
  (local.set $index (i32.const 0))
  (loop $bytes
    (local.set $crc (i32.xor
      (i32.load offset=0x100000 (i32.shl
        (i32.and (i32.xor (local.get $crc) (i32.load8_u offset=0x110000 (local.get $index)))
          (i32.const 255))
        (i32.const 2)))
      (i32.shr_u (local.get $crc) (i32.const 8))))
    (br_if $bytes (i32.lt_u
      (local.tee $index (i32.add (local.get $index) (i32.const 1))) (i32.const 200000))))
  (global.set $out (i64.extend_i32_u (local.get $crc))))

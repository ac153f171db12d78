;; SIMD: products of vectors, of floats and of bytes.
(func $work (local $round i32) (local $at i32) (local $sum v128) (local $bytes v128)
  (loop $rounds
    (local.set $at (i32.const 0x100000))
    (loop $words
      (local.set $sum (f32x4.add (local.get $sum) (f32x4.mul
        (f32x4.convert_i32x4_s (v128.load (local.get $at)))
        (f32x4.convert_i32x4_s (v128.load offset=65536 (local.get $at))))))
      (local.set $bytes (i8x16.add (local.get $bytes) (i8x16.min_u
        (v128.load (local.get $at))
        (i8x16.shuffle 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0
          (local.get $bytes) (local.get $bytes)))))
      (br_if $words (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 16))) (i32.const 0x104000))))
    (br_if $rounds (i32.lt_u
      (local.tee $round (i32.add (local.get $round) (i32.const 1))) (i32.const 600))))
  (global.set $out (i64x2.extract_lane 0
    (v128.xor (local.get $bytes) (i32x4.trunc_sat_f32x4_s (local.get $sum))))))

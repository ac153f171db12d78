;; Floating point: how fast points of the Mandelbrot set's plane run away.
(func $escapes (param $a f64) (param $b f64) (result i32)
  (local $x f64) (local $y f64) (local $xx f64) (local $yy f64) (local $left i32)
  (local.set $left (i32.const 100))
  (loop $again
    (local.set $xx (f64.mul (local.get $x) (local.get $x)))
    (local.set $yy (f64.mul (local.get $y) (local.get $y)))
    (if (f64.gt (f64.add (local.get $xx) (local.get $yy)) (f64.const 4))
      (then (return (local.get $left))))
    (local.set $y
      (f64.add (f64.mul (f64.const 2) (f64.mul (local.get $x) (local.get $y))) (local.get $b)))
    (local.set $x (f64.add (f64.sub (local.get $xx) (local.get $yy)) (local.get $a)))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (i32.const 0))
(func $work (local $row i32) (local $column i32) (local $sum i64)
  (loop $rows
    (local.set $column (i32.const 0))
    (loop $columns
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u
        (call $escapes
          (f64.sub (f64.div (f64.convert_i32_s (local.get $column)) (f64.const 40)) (f64.const 2))
          (f64.sub (f64.div (f64.convert_i32_s (local.get $row)) (f64.const 40)) (f64.const 1))))))
      (br_if $columns (i32.lt_u
        (local.tee $column (i32.add (local.get $column) (i32.const 1))) (i32.const 120))))
    (br_if $rows (i32.lt_u
      (local.tee $row (i32.add (local.get $row) (i32.const 1))) (i32.const 80))))
  (global.set $out (local.get $sum)))

;; Touches each page of a memory that it begins with.
(memory $large 400)
(func $work (local $at i32)
  (loop $again
    (i32.store8 $large (local.get $at) (i32.const 1))
    (br_if $again (i32.lt_u
      (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const 0x1900000)))))

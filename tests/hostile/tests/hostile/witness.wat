(component
  ;; include: types
  (type $resource (resource (rep i32)))
  (core func $new (canon resource.new $resource))
  (core module $module
    (import "host" "new" (func $new (param i32) (result i32)))
    (memory $memory (export "memory") {PAGES})
    (memory $other {OTHER})
    ;; include: realloc manifest describe

    ;; What all of it is at the start.
    (data (memory $memory) (i32.const 1024) "the image {IMAGE}")
    (data (memory $other) (i32.const 61440) "the image {IMAGE}")
    (data $passive "passive data")
    (table $table 10000 20000 funcref)
    (elem (table $table) (i32.const 5) func $dirty-table)
    (elem $elements func $dirty-table)
    (global $integer (mut i64) (i64.const 7))
    (global $float (mut f64) (f64.const 0.5))
    (global $vector (mut v128) (v128.const i64x2 1 2))
    (global $function (mut funcref) (ref.null func))

    ;; In a stop's backtrace they say what was found.
    (func $dirty-memory (unreachable))
    (func $dirty-other (unreachable))
    (func $dirty-table (unreachable))
    (func $dirty-global (unreachable))
    (func $dirty-handle (unreachable))
    (func $dirty-segment (unreachable))

    (func $clean (param $from i32) (param $to i32)
      (loop $next
        (if (i32.ge_u (local.get $from) (local.get $to)) (then (return)))
        (if (v128.any_true (v128.load (local.get $from))) (then (call $dirty-memory)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (br $next)))
    (func $clean-other (param $from i32) (param $to i32)
      (loop $next
        (if (i32.ge_u (local.get $from) (local.get $to)) (then (return)))
        (if (v128.any_true (v128.load $other (local.get $from))) (then (call $dirty-other)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (br $next)))
    (func $clean-table (param $from i32)
      (loop $next
        (if (i32.eq (local.get $from) (table.size $table)) (then (return)))
        (if (i32.eq (ref.is_null (table.get $table (local.get $from))) (i32.eq (local.get $from) (i32.const 5)))
          (then (call $dirty-table)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next)))

    ;; At the start: all that was declared is there, and nothing else.
    (func $look
      (if (i32.ne (memory.size $memory) (i32.const {PAGES})) (then (call $dirty-memory)))
      (if (i32.ne (memory.size $other) (i32.const {OTHER})) (then (call $dirty-other)))
      (call $clean (i32.const 256) (i32.const 1024))
      (if (i64.ne (i64.load (i32.const 1032)) (i64.const {WORD})) (then (call $dirty-memory)))
      (call $clean (i32.const 1040) (i32.const 65536))
      ;; Between them lie the event's texts.
      (call $clean (i32.const 73728) (i32.mul (memory.size $memory) (i32.const 65536)))
      (call $clean-other (i32.const 0) (i32.const 61440))
      (if (i64.ne (i64.load $other (i32.const 61448)) (i64.const {WORD})) (then (call $dirty-other)))
      (call $clean-other (i32.const 61456) (i32.mul (memory.size $other) (i32.const 65536)))
      (if (i32.ne (table.size $table) (i32.const 10000)) (then (call $dirty-table)))
      (call $clean-table (i32.const 0))
      (if (i64.ne (global.get $integer) (i64.const 7)) (then (call $dirty-global)))
      (if (f64.ne (global.get $float) (f64.const 0.5)) (then (call $dirty-global)))
      (if (i64.ne (i64x2.extract_lane 1 (global.get $vector)) (i64.const 2)) (then (call $dirty-global)))
      (if (i32.eqz (ref.is_null (global.get $function))) (then (call $dirty-global)))
      ;; The first handle of an instance is always the same.
      (if (i32.ne (call $new (i32.const 1)) (i32.const 1)) (then (call $dirty-handle)))
      ;; Neither segment was dropped.
      (memory.init $memory $passive (i32.const 2048) (i32.const 0) (i32.const 12))
      (if (i64.eqz (i64.load (i32.const 2048))) (then (call $dirty-segment)))
      (table.init $table $elements (i32.const 6) (i32.const 0) (i32.const 1))
      (if (ref.is_null (table.get $table (i32.const 6))) (then (call $dirty-segment))))

    ;; What growth brings is clean too.
    (func $grow
      (if (i32.ne (memory.grow $memory (i32.const {GROWTH})) (i32.const {PAGES})) (then (call $dirty-memory)))
      (call $clean (i32.const {END}) (i32.mul (memory.size $memory) (i32.const 65536)))
      (if (i32.ne (memory.grow $other (i32.const {GROWTH})) (i32.const {OTHER})) (then (call $dirty-other)))
      (call $clean-other (i32.const {OTHER-END}) (i32.mul (memory.size $other) (i32.const 65536)))
      (if (i32.ne (table.grow $table (ref.null func) (i32.const 10000)) (i32.const 10000)) (then (call $dirty-table)))
      (call $clean-table (i32.const 10000)))

    ;; One byte in every so many.
    (func $sprinkle (param $at i32) (param $step i32)
      (loop $next
        (i32.store8 $memory (local.get $at) (i32.const 0xa5))
        (local.set $at (i32.add (local.get $at) (local.get $step)))
        (br_if $next (i32.lt_u (local.get $at) (i32.mul (memory.size $memory) (i32.const 65536))))))
    (func $sprinkle-other (param $at i32) (param $step i32)
      (loop $next
        (i32.store8 $other (local.get $at) (i32.const 0xa5))
        (local.set $at (i32.add (local.get $at) (local.get $step)))
        (br_if $next (i32.lt_u (local.get $at) (i32.mul (memory.size $other) (i32.const 65536))))))

    ;; Which parts of the memories are soiled decides what it takes to undo it.
    (func $soil (param $way i32) (local $end i32) (local $other-end i32)
      (local.set $end (i32.mul (memory.size $memory) (i32.const 65536)))
      (local.set $other-end (i32.mul (memory.size $other) (i32.const 65536)))
      (block $above (block $first (block $last (block $many (block $all
        (br_table $all $many $last $first $above (local.get $way)))
        ;; All of it.
        (memory.fill $memory (i32.const 0) (i32.const 0xa5) (local.get $end))
        (memory.fill $other (i32.const 0) (i32.const 0xa5) (local.get $other-end))
        (return))
        ;; More regions than a scan for dirty pages reports.
        (call $sprinkle (i32.const 0) (i32.const 8192))
        (call $sprinkle-other (i32.const 0) (i32.const 8192))
        (return))
        ;; The last byte.
        (i32.store8 $memory (i32.sub (local.get $end) (i32.const 1)) (i32.const 0xa5))
        (i32.store8 $other (i32.sub (local.get $other-end) (i32.const 1)) (i32.const 0xa5))
        (return))
        ;; What stays resident between two runs, and is undone by copying.
        (memory.fill $memory (i32.const 0) (i32.const 0xa5) (i32.const 65536))
        (memory.fill $other (i32.const 0) (i32.const 0xa5) (i32.const 65536))
        (return))
      ;; What does not, where there is that much.
      (call $sprinkle (i32.sub (local.get $end) (i32.const 4096)) (i32.const 16))
      (call $sprinkle-other (i32.sub (local.get $other-end) (i32.const 4096)) (i32.const 16)))

    ;; Soils one thing only, before it is looked at.
    (func $soil-first (param $what i32)
      (block $handle (block $global (block $table (block $other (block $memory (block $nothing
        (br_table $memory $other $table $global $handle $nothing (i32.sub (local.get $what) (i32.const 5))))
        (return))
        (i32.store8 $memory (i32.const {LAST}) (i32.const 1))
        (return))
        (i32.store8 $other (i32.const {OTHER-LAST}) (i32.const 1))
        (return))
        (table.set $table (i32.const 9999) (ref.func $dirty-table))
        (return))
        (global.set $vector (v128.const i64x2 1 3))
        (return))
      (drop (call $new (i32.const 1))))

    (func (export "handle") (param $args i32) (result i32)
      (local $way i32)
      ;; The first digit of the event's data.
      (local.set $way (i32.sub (i32.load8_u (i32.load offset=44 (local.get $args))) (i32.const 48)))
      (call $soil-first (local.get $way))
      (call $look)
      (call $grow)
      (call $soil (local.get $way))
      (table.fill $table (i32.const 0) (ref.func $dirty-table) (i32.const 20000))
      (global.set $integer (i64.const -1))
      (global.set $float (f64.const -1))
      (global.set $vector (v128.const i64x2 -1 -1))
      (global.set $function (ref.func $dirty-table))
      (drop (call $new (i32.const 2)))
      (data.drop $passive)
      (elem.drop $elements)
      ;; No effects.
      (memory.fill $memory (i32.const 160) (i32.const 0) (i32.const 12))
      (i32.const 160)))
  (core instance $rule (instantiate $module (with "host" (instance (export "new" (func $new))))))
  ;; include: lift
)

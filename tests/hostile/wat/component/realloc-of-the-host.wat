;; Has another component's function make room for texts, through the host,
;; where nothing can be charged.
;; ends: upload unmetered
(component
  (component $room
    (core module $module
      (func (export "room") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
    (core instance $core (instantiate $module))
    (func (export "room") (param "a" u32) (param "b" u32) (param "c" u32) (param "d" u32) (result u32)
      (canon lift (core func $core "room"))))
  (instance $room (instantiate $room))
  (component $taker
    (import "room" (func $room
      (param "a" u32) (param "b" u32) (param "c" u32) (param "d" u32) (result u32)))
    (core func $room (canon lower (func $room)))
    (core module $module
      (memory (export "memory") 200)
      (func (export "take") (param i32 i32)))
    (core instance $core (instantiate $module))
    (core instance $bundle (export "room" (func $room)))
    (func (export "take") (param "text" string)
      (canon lift (core func $core "take") (memory (core memory $core "memory"))
        (realloc (core func $bundle "room")))))
  (instance $taker (instantiate $taker (with "room" (func $room "room"))))
  (component $giver
    ;; include: text-giver
    (core module $module
      (import "memory" "memory" (memory $memory 200))
      (import "taker" "take" (func $take (param i32 i32)))
      ;; include: realloc manifest describe
      (export "memory" (memory $memory))
      (func (export "handle") (param i32) (result i32)
        (loop $again (call $take (i32.const 1048576) (i32.const 6000000)) (br $again))
        (unreachable)))
    (core instance $rule (instantiate $module
      (with "memory" (instance $memory))
      (with "taker" (instance (export "take" (func $take))))))
    ;; include: lift
  )
  (instance $inner (instantiate $giver (with "take" (func $taker "take"))))
  ;; include: reexport
)

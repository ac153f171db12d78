;; Speaks UTF-16, and returns a text of 2^31 units, whose bytes are none.
;; ends: handle trap
(component
  ;; include: types
  (core module $module
    ;; include: memory realloc manifest
    ;; The manifest of the parts is in UTF-8; here there are no declarations
    ;; but one trigger, `*`.
    (data (i32.const 256)
      (i32 320 1 0 0)
      (i32 256 1 0 0 0 0 0 0 0 320 1))
    (data (i32.const 320) "*\00")
    (func (export "describe") (result i32) (i32.const 272))
    (data (i32.const 1024) (i32 1 2 1100 0x80000000))
    (func (export "handle") (param i32) (result i32)
      (i32.const 1024)))
  (core instance $rule (instantiate $module))
  (alias core export $rule "memory" (core memory $memory))
  (alias core export $rule "cabi_realloc" (core func $realloc))
  (alias core export $rule "describe" (core func $core-describe))
  (alias core export $rule "handle" (core func $core-handle))
  (func $describe (result $manifest) (canon lift (core func $core-describe) (memory $memory) string-encoding=utf16))
  (export "describe" (func $describe))
  (func $handle
    (param "event" $event) (param "invocation" $invocation)
    (result (result (list $effect) (error $failure)))
    (canon lift (core func $core-handle) (memory $memory) string-encoding=utf16 (realloc $realloc)))
  (export "handle" (func $handle))
)

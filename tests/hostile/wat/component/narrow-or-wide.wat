;; Speaks Latin-1 or UTF-16, and says of a text that it is the other.
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
    ;; The highest bit of a length says UTF-16.
    (data (i32.const 1024) (i32 1 2 1100 0x80000002))
    (data (i32.const 1100) (i16 0xdfff 0xd800))
    (func (export "handle") (param i32) (result i32)
      (i32.const 1024)))
  (core instance $rule (instantiate $module))
  (alias core export $rule "memory" (core memory $memory))
  (alias core export $rule "cabi_realloc" (core func $realloc))
  (alias core export $rule "describe" (core func $core-describe))
  (alias core export $rule "handle" (core func $core-handle))
  (func $describe (result $manifest) (canon lift (core func $core-describe) (memory $memory) string-encoding=latin1+utf16))
  (export "describe" (func $describe))
  (func $handle
    (param "event" $event) (param "invocation" $invocation)
    (result (result (list $effect) (error $failure)))
    (canon lift (core func $core-handle) (memory $memory) string-encoding=latin1+utf16 (realloc $realloc)))
  (export "handle" (func $handle))
)

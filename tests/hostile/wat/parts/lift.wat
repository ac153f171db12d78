;; Exports the core instance `$rule` as the functions of our world.
(alias core export $rule "memory" (core memory $memory))
(alias core export $rule "cabi_realloc" (core func $realloc))
(alias core export $rule "describe" (core func $core-describe))
(alias core export $rule "handle" (core func $core-handle))
(func $describe (result $manifest) (canon lift (core func $core-describe) (memory $memory)))
(export "describe" (func $describe))
(func $handle
  (param "event" $event) (param "invocation" $invocation)
  (result (result (list $effect) (error $failure)))
  (canon lift (core func $core-handle) (memory $memory) (realloc $realloc)))
(export "handle" (func $handle))

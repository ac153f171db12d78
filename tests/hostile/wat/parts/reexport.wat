;; Exports what the component instance `$inner` exports.
;; include: types
(export "describe" (func $inner "describe") (func (result $manifest)))
(export "handle" (func $inner "handle") (func
  (param "event" $event) (param "invocation" $invocation)
  (result (result (list $effect) (error $failure)))))

;; Returns effects of one kind more than there is.
;; ends: upload wrong-type
(component
  (type $new-event' (record (field "type" string) (field "subject" (option string)) (field "data" string)))
  (export $new-event "new-event"   (type $new-event'))
  (type $action' (record (field "name" string) (field "payload" string)))
  (export $action "action"   (type $action'))
  (type $entry' (record (field "key" string) (field "value" (option string))))
  (export $entry "entry"   (type $entry'))
  (type $effect' (variant (case "emit" $new-event) (case "act" $action) (case "remember" $entry) (case "execute" string)))
  (export $effect "effect"   (type $effect'))
  (type $failure' (variant (case "invalid-event" string) (case "invalid-config" string) (case "internal" string)))
  (export $failure "failure"   (type $failure'))
  (type $trigger' (record (field "type" string) (field "ignore" (list string))))
  (export $trigger "trigger"   (type $trigger'))
  (type $manifest' (record (field "triggers" (list $trigger)) (field "emits" (list string)) (field "acts" (list string)) (field "config-schema" (option string)) (field "summary" string)))
  (export $manifest "manifest"   (type $manifest'))
  (type $event' (record (field "id" string) (field "source" string) (field "type" string) (field "subject" (option string)) (field "time" string) (field "data" string)))
  (export $event "event"   (type $event'))
  (type $invocation' (record (field "tenant" string) (field "rule" string) (field "config" string) (field "depth" u32)))
  (export $invocation "invocation"   (type $invocation'))
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

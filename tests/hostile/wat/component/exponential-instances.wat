;; Nests components that instantiate each other twice, for a number without
;; end.
;; ends: upload too-complex
(component
  ;; include: types
  (core module $empty)
  (component $a
    (core module $empty)
    (core instance (instantiate $empty))
    (core instance (instantiate $empty)))
  (component $b
    (alias outer 1 $a (component $a))
    (instance (instantiate $a))
    (instance (instantiate $a))
    (instance (instantiate $a))
    (instance (instantiate $a))
    (instance (instantiate $a))
    (instance (instantiate $a))
    (instance (instantiate $a))
    (instance (instantiate $a))
  )
  (component $c
    (alias outer 1 $b (component $b))
    (instance (instantiate $b))
    (instance (instantiate $b))
    (instance (instantiate $b))
    (instance (instantiate $b))
    (instance (instantiate $b))
    (instance (instantiate $b))
    (instance (instantiate $b))
    (instance (instantiate $b))
  )
  (component $d
    (alias outer 1 $c (component $c))
    (instance (instantiate $c))
    (instance (instantiate $c))
    (instance (instantiate $c))
    (instance (instantiate $c))
    (instance (instantiate $c))
    (instance (instantiate $c))
    (instance (instantiate $c))
    (instance (instantiate $c))
  )
  (instance (instantiate $d))
  (instance (instantiate $d))
  (instance (instantiate $d))
  (instance (instantiate $d))
  (instance (instantiate $d))
  (instance (instantiate $d))
  (instance (instantiate $d))
  (instance (instantiate $d))
  (core module $module
    ;; include: component-rule
    (func (export "handle") (param i32) (result i32) (i32.const 160)))
  (core instance $rule (instantiate $module))
  ;; include: lift
)

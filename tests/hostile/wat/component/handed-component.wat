;; Hands a component to another, which makes instances of what it is handed,
;; so that nobody can count them beforehand.
;; ends: upload too-complex
(component
  (component $small
    (core module $empty)
    (core instance (instantiate $empty)))
  (component $many
    (import "small" (component $small))
    (instance (instantiate $small))
    (instance (instantiate $small)))
  (instance (instantiate $many (with "small" (component $small))))
)

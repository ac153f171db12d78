;; Describes itself, and handles nothing.
;; ends: upload wrong-type
(module
  ;; include: rule
)

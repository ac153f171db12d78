;; Nests components six deep.
;; ends: upload too-complex
(component
  (component (component (component (component (component (component))))))
)

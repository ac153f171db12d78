;; Exports a memory under the name `handle`.
;; ends: upload wrong-type
(module
  ;; include: rule
  (export "handle" (memory $memory)))

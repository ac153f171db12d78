;; Says that it has four billion types, and has none.
;; ends: upload too-complex
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\01\05\ff\ff\ff\ff\0f")

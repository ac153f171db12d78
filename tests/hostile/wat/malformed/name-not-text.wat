;; Imports by a name that is not UTF-8.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\01\04\01\60\00\00"
  "\02\08\01\02\ff\fe\01a\00\00")

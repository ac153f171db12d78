;; Has a section that is longer than what is in it.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\01\08\01\60\00\00\00\00\00\00")

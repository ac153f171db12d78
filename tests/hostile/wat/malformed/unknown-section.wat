;; Has a section of an unknown kind.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\7f\01\00")

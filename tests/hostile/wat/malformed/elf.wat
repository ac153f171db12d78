;; Is a native program.
;; ends: upload not-wasm
;; as: upload
(module binary
  "\7fELF\02\01\01\00\00\00\00\00\00\00\00\00")

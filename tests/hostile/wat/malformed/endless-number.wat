;; Has a length of eleven bytes, none of which is the last.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\01\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff")

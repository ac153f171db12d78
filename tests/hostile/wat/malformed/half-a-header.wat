;; Ends within its header.
;; ends: upload not-wasm
;; as: upload
(module binary
  "\00asm\01")

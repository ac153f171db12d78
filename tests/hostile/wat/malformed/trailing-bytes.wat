;; Goes on after its end, with text.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "all of this is ignored, is it not?")

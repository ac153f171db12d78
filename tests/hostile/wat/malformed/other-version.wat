;; Is of a version that does not exist.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\02\00\00\00")

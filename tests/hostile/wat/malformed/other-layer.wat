;; Is neither a module nor a component.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\0d\00\02\00")

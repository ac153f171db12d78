;; Embeds a component for a WIT type that is damaged.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\00\1b\0ecomponent-type\00asm\0d\00\01\00\07\03\01\42")

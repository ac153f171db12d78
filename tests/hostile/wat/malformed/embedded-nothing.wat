;; Embeds a WIT type of no bytes.
;; ends: upload wrong-type
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\00\0f\0ecomponent-type")

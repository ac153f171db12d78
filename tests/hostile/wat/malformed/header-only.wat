;; Is a header and nothing else.
;; ends: upload no-wit-type
;; as: upload
(module binary
  "\00asm\01\00\00\00")

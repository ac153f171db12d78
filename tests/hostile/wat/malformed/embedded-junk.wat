;; Embeds a WIT type that is junk.
;; ends: upload wrong-type
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\00\17\0ecomponent-typejunkjunk")

;; Has the sections of a component under the header of a module.
;; ends: upload invalid-wasm
;; as: upload
(module binary
  "\00asm\01\00\00\00"
  "\07\05\01\42\01\01\7f")

;; Is compressed.
;; ends: upload not-wasm
;; as: upload
(module binary
  "\1f\8b\08\00\00\00\00\00\00\03\03\00\00\00\00\00\00\00\00\00")

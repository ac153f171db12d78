;; Is empty.
;; ends: upload not-wasm
;; as: upload
(module binary
  "")

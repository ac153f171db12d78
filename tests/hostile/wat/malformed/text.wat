;; Is a text about a module.
;; ends: upload not-wasm
;; as: upload
(module binary
  "(module (func (export \22handle\22)))")

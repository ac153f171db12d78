;; Triggers `test.*`, emits `test.out`, acts `note.*`. Takes the first 256
;; bytes of the first memory.
(data (i32.const 16) "test.*  test.outnote.*  A hostile guest.")
(data (i32.const 64)
  (i32 16 6 0 0)    ;; a trigger: `test.*`, nothing to ignore
  (i32 24 8)        ;; `test.out`
  (i32 32 6)        ;; `note.*`
  (i32 64 1)        ;; triggers
  (i32 80 1)        ;; emits
  (i32 88 1)        ;; acts
  (i32 0 0 0)       ;; no config-schema
  (i32 40 16))      ;; summary

;; include: memory realloc manifest describe

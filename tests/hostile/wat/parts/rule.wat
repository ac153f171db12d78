;; include: imports memory realloc manifest describe

"""Registry resolver: answers questions from the shared cache, or from their registries."""

import imagedrift_runtime  # noqa: F401 - before any module of ours: it imports structlog without rich

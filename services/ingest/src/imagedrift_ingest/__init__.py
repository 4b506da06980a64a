"""Ingest: stores inventories and answers, compares them, and asks what is due."""

import imagedrift_runtime  # noqa: F401 - before any module of ours: it imports structlog without rich

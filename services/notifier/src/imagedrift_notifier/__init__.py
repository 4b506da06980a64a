"""Notifier: tells people what is due, by the routes that an operator has written."""

import imagedrift_runtime  # noqa: F401 - before any module of ours: it imports structlog without rich

"""How a service runs: settings, logs, metrics, health, NATS, a clean stop. Knows no service.

structlog loads rich where that is installed, for prettier tracebacks: 4 MB in a process that has
40. It is imported here, before any other module of ours can, without it.
"""

from imagedrift_runtime.lean import without

with without("rich"):
    import structlog as structlog

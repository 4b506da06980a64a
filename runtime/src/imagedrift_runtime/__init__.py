"""How a service runs: settings, logs, metrics, health, NATS, a clean stop. Knows no service.

structlog loads rich where that is installed, for tracebacks that we do not use: 4 MB in an agent
that has 40. So it is imported here without it, for whoever imports this package first, as the agent
does.
"""

from imagedrift_runtime.import_guard import hide_module

with hide_module("rich"):
    import structlog as structlog

"""How NATS is reached: the addresses, what opens them, and the pace of trying again."""

import random
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from imagedrift_runtime import tls, urls

CONNECT_WITHIN_S = 20.0

_SPOOL_BYTES = 8 * 1024 * 1024


class Access(Struct, frozen=True, kw_only=True):
    """Where NATS is, and what opens it."""

    urls: tuple[str, ...]
    name: str
    credentials: str = ""
    ca: str = ""
    inbox: str = "_INBOX"
    spool: bool = True
    within_s: float = CONNECT_WITHIN_S

    def __str__(self) -> str:
        """Name the servers, without a password in their addresses."""
        return ",".join(map(urls.shown, self.urls))

    @property
    def demands_tls(self) -> bool:
        """Tell whether nothing may be said in plain text: a `tls://` address or a CA asks so."""
        return bool(self.ca) or any(url.startswith("tls://") for url in self.urls)

    def options(self) -> dict[str, Any]:
        """Give the options of nats-py: reconnect for ever, ping every 20 s, two unanswered."""
        options: dict[str, Any] = {
            "servers": list(self.urls),
            "name": self.name,
            "inbox_prefix": self.inbox.encode(),
            "max_reconnect_attempts": -1,
            "reconnect_to_server_handler": next_server,
            "reconnect_time_wait": 0.5,  # between tries of the first connection
            "connect_timeout": 5,
            "ping_interval": 20,
            "max_outstanding_pings": 2,
            "pending_size": _SPOOL_BYTES if self.spool else -1,
        }
        if self.credentials:
            options["user_credentials"] = self.credentials
        if self.demands_tls:
            options["tls"] = tls.context_for(self.ca)
        return options


def next_server(servers: Sequence[Any], _info: Any) -> tuple[Any, float]:
    """Pick the server that failed least, and how long to wait before it is tried."""
    server = min(servers, key=lambda each: each.reconnects)
    return server, jitter(server.reconnects)


def jitter(failures: int) -> float:
    """Draw a wait, anywhere up to a ceiling that doubles: a fleet must not return all at once."""
    return random.uniform(0, min(30.0, 0.5 * 2 ** min(failures, 10)))  # noqa: S311 - no secret

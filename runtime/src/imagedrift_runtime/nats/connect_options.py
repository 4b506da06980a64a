"""How NATS is reached: the addresses, what opens them, and the pace of trying again."""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_runtime import tls, urls
from imagedrift_runtime.file_faults import unreadable
from imagedrift_runtime.nats.errors import NoBus

CONNECT_WITHIN_S = 20.0

_SPOOL_BYTES = 8 * 1024 * 1024
ADDRESS = r"^(nats|tls)://[^/?#\s]+$"
"""A `?` or `#` in a password would end the host's name: what is before it is told as a port."""


class NatsOptions(TypedDict, total=False):
    """The settings of NATS beside its addresses."""

    credentials: str
    ca: str
    tls_first: bool
    urls_file: str


class ConnectOptions(Struct, frozen=True, kw_only=True):
    """The addresses of NATS, and the credentials for it."""

    urls: tuple[str, ...]
    name: str
    credentials: str = ""
    ca: str = ""
    tls_first: bool = False
    """The server expects TLS before it has said anything itself."""
    urls_file: str = ""
    """The path of a file that holds the addresses, in place of `urls`."""
    inbox: str = "_INBOX"
    spool: bool = True
    within_s: float = CONNECT_WITHIN_S

    def __str__(self) -> str:
        """Name the servers, without a password in their addresses."""
        return ",".join(map(urls.shown, self.urls))

    @property
    def demands_tls(self) -> bool:
        """Tell whether nothing may be said in plain text: a `tls://` address or a CA asks so."""
        return bool(self.ca) or self.tls_first or any(url.startswith("tls://") for url in self.urls)

    def read(self) -> "ConnectOptions":
        """Return this with the addresses that its file holds now. Raises `NoBus`."""
        return replace(self, urls=_addresses(self.urls_file)) if self.urls_file else self

    def for_client(self) -> dict[str, Any]:
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
            options["tls_handshake_first"] = self.tls_first
        return options


def _addresses(path: str) -> tuple[str, ...]:
    """Read addresses from a file: separated by commas or lines, and never repeated in a fault."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise NoBus(f"NATS_URL_FILE: {unreadable(path, error)}") from None
    told = tuple(text.replace(",", " ").split())
    if not told or not all(re.match(ADDRESS, url) for url in told):
        raise NoBus(f"NATS_URL_FILE: {path}: write nats://host:4222 or tls://host:4222 for each")
    if faults := [fault for url in told if (fault := urls.nats_fault(url))]:
        raise NoBus(f"NATS_URL_FILE: {path}: {faults[0]}")
    return told


def next_server(servers: Sequence[Any], _info: Any) -> tuple[Any, float]:
    """Pick the server that failed least, and how long to wait before it is tried."""
    server = min(servers, key=lambda each: each.reconnects)
    return server, jitter(server.reconnects)


def jitter(failures: int) -> float:
    """Draw a wait, anywhere up to a ceiling that doubles: a fleet must not return all at once."""
    return random.uniform(0, min(30.0, 0.5 * 2 ** min(failures, 10)))  # noqa: S311 - no secret

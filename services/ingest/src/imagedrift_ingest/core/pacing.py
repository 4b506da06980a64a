"""How often a host is served whose inventories take long.

Rules:
- One large inventory of a host is worked on at a time; the next one waits for it.
- A host waits `REST` times as long as its last large inventory took. So one host takes a small part
  of the time that there is, whatever it sends; what it says meanwhile replaces what waits.
- Small inventories never wait.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from imagedrift_ingest.core.inventories import HostName

REST: Final = 10.0
LONGEST_S: Final = 60.0
AT_WORK_S: Final = 1.0
"""How long a message waits for one of its host that is worked on."""
MOST_RESTING: Final = 10_000


class Pacing:
    """The hosts whose large inventories are worked on, or were lately. Times are in seconds."""

    def __init__(self) -> None:
        self._at_work: set[HostName] = set()
        self._rests_until: dict[HostName, float] = {}

    def wait_s(self, host: HostName, at: float) -> float:
        """Tell how long a large inventory of a host has to wait; 0: not at all."""
        if host in self._at_work:
            return AT_WORK_S
        return max(0.0, self._rests_until.get(host, at) - at)

    @contextmanager
    def work_on(self, host: HostName, monotonic: Callable[[], float]) -> Iterator[None]:
        """Note the time that work on a host's large inventory takes, whatever its end."""
        began = monotonic()
        self.begin(host)
        try:
            yield
        finally:
            self.end(host, began, monotonic())

    def begin(self, host: HostName) -> None:
        """Note that a large inventory is worked on."""
        self._at_work.add(host)

    def end(self, host: HostName, began: float, ended: float) -> None:
        """Note the end of that work, stored or not: the host rests in proportion to its time."""
        self._at_work.discard(host)
        if len(self._rests_until) >= MOST_RESTING:
            self._rests_until = {h: t for h, t in self._rests_until.items() if t > ended}
        if len(self._rests_until) < MOST_RESTING:
            self._rests_until[host] = ended + min(LONGEST_S, REST * (ended - began))

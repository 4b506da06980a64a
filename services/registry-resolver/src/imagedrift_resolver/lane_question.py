"""A question that waits for a slot of its lane, and may have to give it up (`bulkhead`)."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Peer(Protocol):
    """A registry."""

    @property
    def registry(self) -> str:
        """Its name."""

    def is_answering(self) -> bool:
        """Tell whether it has answered well, and goes on answering."""


class LaneQuestion:
    """A question of so many hosts to a registry, from its arrival in a lane to its end."""

    def __init__(self, peer: Peer, hosts: int) -> None:
        self.peer = peer
        self.hosts = hosts
        self.limit = asyncio.timeout(None)
        self.began_at = 0.0
        self.may_be_given_up = False
        self.admitted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waits: asyncio.TimerHandle | None = None

    def ends_waiting(self, after_s: float, end: "Callable[[LaneQuestion], None]") -> None:
        """Call `end` with this question after a time, unless it stops waiting before."""
        self._waits = asyncio.get_running_loop().call_later(after_s, end, self)

    def stops_waiting(self) -> None:
        """Forget the end of its waiting."""
        if self._waits:
            self._waits.cancel()

    def admit(self, *, is_admitted: bool) -> None:
        """Tell a waiting question whether it has a slot, unless that is said already."""
        if not self.admitted.done():
            self.admitted.set_result(is_admitted)

    def give_up(self) -> None:
        """End the work, once."""
        if self.may_be_given_up:
            self.may_be_given_up = False
            self.limit.reschedule(asyncio.get_running_loop().time())

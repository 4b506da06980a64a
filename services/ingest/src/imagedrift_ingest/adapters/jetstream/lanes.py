"""Watches the consumers of the lanes: tells where one is missing, and which lane is not read."""

from collections.abc import Callable, Collection
from typing import Final

from imagedrift_ingest.core.lanes import LaneStates, next_states
from imagedrift_runtime import metrics
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_schemas import subjects

log = get_logger()

LANES: Final = "lanes"
"""The part of the service's health that tells of the lanes."""


class LaneMonitor:
    """The state of the lanes, by the last check of their consumers."""

    def __init__(self, bus: Bus, lanes: Callable[[], Collection[str]]) -> None:
        self._bus = bus
        self._lanes = lanes
        self._states = LaneStates()
        self._reason = ""

    def is_missing(self, name: str) -> bool:
        """Tell whether a lane, or its lists, had no consumer at the last look."""
        return name in self._states.missing

    async def look(self) -> None:
        """Look at the consumers, and tell. While NATS does not answer, the last look stands."""
        try:
            found = await self._bus.lags(subjects.STREAM_LOOKUP)
        except NoBus as error:
            self._show(str(error))
            return
        before = self._states.deserted
        self._states = next_states(self._states, self._lanes(), found)
        missing, deserted = sorted(self._states.missing), sorted(self._states.deserted)
        metrics.lanes_without_consumer.set(len(missing))
        metrics.lanes_unread.set(len(deserted))
        if deserted and self._states.deserted != before:
            log.warning("lanes.unread", lanes=deserted, error="no resolver asks for their messages")
        self._show(
            f"no consumer for the lanes {', '.join(missing)}: run `imagedrift streams` with this "
            "registries.toml"
            if missing
            else ""
        )

    def _show(self, reason: str) -> None:
        """Show in log and health why questions are not taken; empty: they are."""
        if reason and reason != self._reason:
            log.error("lanes.failed", error=reason)
        self._reason = reason
        if self._bus.health and reason:
            self._bus.health.failed(LANES, reason)
        elif self._bus.health:
            self._bus.health.ready(LANES)

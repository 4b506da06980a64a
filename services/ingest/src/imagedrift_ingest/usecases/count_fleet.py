"""Counts the fleet once a minute, by one process, which shows the figures in its metrics.

Rules:
- See `core.fleet_counts` for who counts. A process that does not count shows nothing.
- What is due has a turn of its own: of a large fleet, each count may take as long as a turn.
- A count that fails leaves the figures of the last one, until these hold no longer.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from imagedrift_ingest.core.fleet_counts import (
    FleetFigures,
    LastExport,
    holds_until,
    is_to_count,
)
from imagedrift_ingest.turns import Turns
from imagedrift_runtime.clock import Clock


class FleetStore(Protocol):
    """The counts of the fleet, and the process that shows them."""

    async def last_export(self) -> LastExport | None:
        """Tell which process counted last, and when; none: no process."""

    async def count_due(self) -> int:
        """Count the images that are due."""

    async def count_as_exporter(self) -> None:
        """Count hosts and images, and note that this process did."""

    async def figures(self) -> FleetFigures:
        """Return the figures counted last."""


class FleetExporter(Protocol):
    """The metrics of the fleet."""

    @property
    def is_on(self) -> bool:
        """Whether anybody can read them."""

    def show(self, figures: FleetFigures, holds: Callable[[], bool]) -> None:
        """Show these figures, for as long as `holds` says so."""

    def clear(self) -> None:
        """Show none."""


class CountFleet:
    """Counts the fleet, where no other process does."""

    def __init__(
        self,
        store: FleetStore,
        exporter: FleetExporter,
        turns: Turns,
        clock: Clock,
        period_s: float,
    ) -> None:
        self._store = store
        self._exporter = exporter
        self._turns = turns
        self._clock = clock
        self._period_s = period_s

    async def run(self) -> int:
        """Count the fleet, and show the figures; 0: another process does."""
        for name, work in (("count_due", self._store.count_due), ("count_fleet", self._count)):
            if not await self._turns.run(name, partial(self._if_ours, work)):
                self._exporter.clear()
                return 0
        return 1

    async def _if_ours(self, work: Callable[[], Awaitable[object]]) -> bool:
        last = await self._store.last_export()
        if not is_to_count(last, self._period_s):
            return False
        await work()
        return True

    async def _count(self) -> None:
        until = holds_until(self._clock.monotonic(), self._period_s)
        await self._store.count_as_exporter()
        if self._exporter.is_on:
            figures = await self._store.figures()
            self._exporter.show(figures, lambda: self._clock.monotonic() < until)

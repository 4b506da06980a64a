"""Bringing back: what a clock that was ahead put off is due again once the clock is right.

Without it a reference would not be asked about, and a host not be silent, until that time has come.
"""

from datetime import datetime
from typing import Protocol

from imagedrift_ingest.turns import Turns
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger

log = get_logger()


class MomentTables(Protocol):
    """Tables with moments that others wait for. Raises `DatabaseUnavailable`."""

    async def bring_back(self, at: datetime) -> int:
        """Make moments past that lie too far ahead; how many were."""


class BringBack:
    """Brings moments back, in a turn."""

    def __init__(self, tables: MomentTables, turns: Turns, clock: Clock) -> None:
        self._tables = tables
        self._turns = turns
        self._clock = clock

    async def run(self) -> int:
        """Bring moments back that lie too far ahead, unless another replica does; how many did."""
        back = await self._turns.run("bring_back", self._bring_back) or 0
        if back:
            log.warning("moments.brought_back", rows=back, reason="a clock was ahead")
        return back

    async def _bring_back(self) -> int:
        return await self._tables.bring_back(self._clock.now())

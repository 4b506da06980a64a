"""Brings moments back that lie further ahead than they can, in PostgreSQL.

They were written while a clock was ahead: this machine's, the server's or that of NATS.
"""

from datetime import datetime
from typing import Final

from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.freshness import FreshnessRules, furthest

SQL = load("far_moments")
ROWS_AT_ONCE: Final = 2000


class FarMoments:
    """The moments in tables that others wait for."""

    def __init__(self, database: Database, rules: FreshnessRules) -> None:
        self._database = database
        self._furthest = furthest(rules)

    async def bring_back(self, at: datetime) -> int:
        """Make moments past that lie too far ahead of a time and of the server's; how many were."""
        back = 0
        for name, ahead in self._furthest.items():
            changed = ROWS_AT_ONCE
            while changed == ROWS_AT_ONCE:
                changed = await self._database.execute(SQL[name], at, ahead, ROWS_AT_ONCE)
                back += changed
        return back

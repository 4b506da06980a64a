"""The limits of registries, in PostgreSQL: the newest state of each registry and credential."""

from collections.abc import Iterable
from typing import Any

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_schemas.v1 import RegistryState

SQL = load("answers")


class RegistryTable:
    """The limits of registries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(
        self, epoch: int, states: Iterable[tuple[int, RegistryState]], *, surely_newest: bool
    ) -> set[int]:
        """Store states, and return the sequences of those in doubt, which are not stored."""
        rows: dict[tuple[str, str], tuple[Any, ...]] = {}
        for seq, s in states:
            limits = (s.rate_limit, s.rate_remaining, s.rate_window_s, s.rate_reset_at)
            blocked = (s.blocked_until, s.get_blocked_until, s.last_status, s.last_error)
            name = (s.registry, s.credential)
            if name not in rows or rows[name][2] < seq:
                rows[name] = (*name, seq, *limits, *blocked, s.observed_at)
        columns = arguments(list(rows.values()), 12)
        found = await self._database.fetch(SQL["registries"], epoch, *columns, surely_newest)
        return {row["seq"] for row in found}

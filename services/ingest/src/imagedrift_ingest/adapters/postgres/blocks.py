"""When references of blocked registries are due, in PostgreSQL.

What is found is moved a bounded number at a time, each reference once for a block, and in a
transaction of its own. Whoever calls has the planner's turn.
"""

from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import blocks, freshness
from imagedrift_runtime.logs import get_logger

log = get_logger()

SQL = load("planner")
LOOK_EVERY: Final = timedelta(seconds=5)
LOOK_AHEAD: Final = 2 * LOOK_EVERY
MOST_AT_ONCE: Final = 1000


Misplaced: TypeAlias = dict[int, asyncpg.Record]
"""References that shall be due at another moment, by id; those that are due soonest come first."""


class BlockedReferences:
    """The references that are due although their registry is blocked, or no longer."""

    def __init__(
        self, database: Database, rules: freshness.FreshnessRules, most_at_once: int
    ) -> None:
        self._database = database
        self._most_at_once = most_at_once
        self._spread = freshness.spread_after_block(rules)
        self._looked_at: datetime | None = None
        self._known: blocks.Blocks = {}
        self._misplaced: Misplaced = {}

    async def reschedule(self, at: datetime) -> None:
        """Look now and then for references whose registry is blocked, and move some."""
        looked = self._looked_at
        if looked is None or not looked <= at < looked + LOOK_EVERY:
            await self._look(at)
        if self._misplaced:
            await self._move()

    async def _look(self, at: datetime) -> None:
        """Find out which references have to be moved."""
        now, found = await self._database.transaction(self._read, at)
        if changed := blocks.changed(self._known, now):
            log.info("blocks.changed", registries=sorted(changed), references=len(found))
        # What was found for another block than the one that holds is void: it was found anew.
        kept = {n: row for n, row in self._misplaced.items() if row["registry"] not in changed}
        self._misplaced = found | kept
        self._known, self._looked_at = now, at

    async def _read(
        self, connection: asyncpg.Connection, at: datetime
    ) -> tuple[dict[str, datetime], Misplaced]:
        """Read which registries are blocked, and which references are due at a wrong moment."""
        rows = await connection.fetch(SQL["blocks"], at)
        now = {row["registry"]: row["opens"] for row in rows}
        return now, await self._find(connection, now, at)

    async def _find(
        self, connection: asyncpg.Connection, now: blocks.Blocks, at: datetime
    ) -> Misplaced:
        windows = [
            (w.registry, w.since, w.until, w.opens)
            for w in blocks.windows(self._known, now, at, ahead=LOOK_AHEAD, spread=self._spread)
        ]
        if not windows:
            return {}
        found = await connection.fetch(SQL["misplaced"], at, *arguments(windows, 4))
        return {row["ref_id"]: row for row in found}

    async def _move(self) -> None:
        """Move as many references as are moved at once."""
        some = list(islice(self._misplaced.values(), self._most_at_once))
        moves = [(row["ref_id"], row["next_check_at"], self._due(row)) for row in some]

        await self._database.transaction(_write, *arguments(moves, 3))
        for row in some:
            del self._misplaced[row["ref_id"]]

    def _due(self, row: asyncpg.Record) -> datetime:
        return blocks.due_when_open(row["opens"], self._spread, row["rank"], row["of"])


async def _write(
    connection: asyncpg.Connection, ids: list[int], was: list[datetime], due: list[datetime]
) -> None:
    await connection.execute(SQL["lock_answers"], ids)
    await connection.execute(SQL["move"], ids, was, due)

"""Upkeep in PostgreSQL: what is done now and then, by one replica at a time.

Each step is a short transaction of its own that takes the lock, does a bounded amount, and ends;
what is left is done next time.
"""

from collections.abc import Callable
from typing import Any

import asyncpg

from imagedrift_ingest.adapters.postgres import dictionary
from imagedrift_ingest.adapters.postgres.answers import rejudge
from imagedrift_ingest.adapters.postgres.connect import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.retention import Retention
from imagedrift_schemas.reference import ImageReference

SQL = load("upkeep")
MOST_AT_ONCE = 500
RULES = 1
"""Version of the rules of `core.verdict`: a greater one has every verdict made anew, once."""
MONTHS_AHEAD = 2


class Upkeep:
    """The steps, by name."""

    def __init__(self, database: Database, retention: Retention | None = None) -> None:
        self._database = database
        self._keep = retention or Retention()

    async def add_up_usage(self) -> int:
        """Add up how many hosts have each image; the number of images that changed."""
        return await self._step("add_up_usage")

    async def analyze_grown(self) -> int:
        """Have statements planned anew that use a table which has doubled; how many tables have."""
        return await self._call("analyze_grown")

    async def count_hosts(self) -> int:
        """Count the hosts of every reference, for the planner."""
        return await self._step("count_hosts")

    async def take_trend(self) -> int:
        """Keep the fleet summary of these five minutes."""
        return await self._step("take_trend")

    async def tidy(self) -> dict[str, int]:
        """Make months ahead, retire, and drop what is past its retention; how many of each."""
        keep = self._keep
        return {
            "months_made": await self._call("make_months", MONTHS_AHEAD),
            "months_dropped": await self._call("drop_months", keep.history),
            "hosts_retired": await self._retire(),
            "images_marked": await self._step("mark_unused"),
            "images_dropped": await self._step("drop_unused", keep.history, MOST_AT_ONCE),
            "references_dropped": await self._step("drop_refs", keep.history, MOST_AT_ONCE),
            "descriptions_dropped": await self._step("drop_descriptions", keep.history),
            "trend_dropped": await self._step("drop_trend", keep.history),
            "quotas_dropped": await self._step("drop_quotas"),
            "letters_dropped": await self._step("drop_letters", keep.dead_letters),
        }

    async def apply_policy(self, is_named: Callable[[str], bool]) -> int:
        """Treat references by what is configured now; the number that are treated differently."""

        async def work(connection: asyncpg.Connection) -> int:
            changed: list[str] = []
            for row in await connection.fetch(SQL["policies"]):
                wanted = _policy(row["registry"], is_named)
                if wanted != row["policy"]:
                    rows = await connection.fetch(SQL["set_policy"], row["registry"], wanted)
                    changed += [row["reference"] for row in rows]
            if changed:
                await dictionary.lock(connection, changed)
                await connection.execute(SQL["start_asking"], changed)
                await rejudge(connection, await dictionary.lock(connection, changed))
            return len(changed)

        return await self._database.transaction(work)

    async def judge_anew(self) -> int:
        """Make every verdict anew that older rules made; the number that changed."""

        async def judged_by(connection: asyncpg.Connection) -> int:
            return int(await connection.fetchval(SQL["judged_by"]))

        if await self._database.transaction(judged_by) >= RULES:
            return 0
        last, changed = 0, 0
        while True:
            last, some = await self._judge_some(last)
            changed += some
            if not last:
                break

        async def done(connection: asyncpg.Connection) -> None:
            await connection.execute(SQL["set_judged_by"], RULES)

        await self._database.transaction(done)
        return changed

    async def _judge_some(self, after: int) -> tuple[int, int]:
        """Judge the next references; the key of the last one (0: none is left), and the changes."""

        async def work(connection: asyncpg.Connection) -> tuple[int, int]:
            rows = await connection.fetch(SQL["references_after"], after, MOST_AT_ONCE)
            if not rows:
                return 0, 0
            locked = await dictionary.lock(connection, [row["reference"] for row in rows])
            return rows[-1]["ref_id"], await rejudge(connection, locked)

        return await self._database.transaction(work)

    async def empty(self) -> None:
        """Forget every fact."""

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(SQL["empty"])
            await connection.execute(SQL["new_generation"])

        await self._database.transaction(work)

    async def _retire(self) -> int:
        async def work(connection: asyncpg.Connection) -> int:
            if not await connection.fetchval(SQL["alone"], "retire"):
                return 0
            silent = await connection.fetch(
                SQL["long_silent"], self._keep.retire_after, MOST_AT_ONCE
            )
            if silent:
                await connection.execute(SQL["retire"], [row["host_id"] for row in silent])
            return len(silent)

        return await self._database.transaction(work)

    async def _step(self, name: str, *arguments: Any) -> int:
        """Run one statement alone; how many rows it wrote."""

        async def work(connection: asyncpg.Connection) -> int:
            if not await connection.fetchval(SQL["alone"], name):
                return 0
            status = await connection.execute(SQL[name], *arguments)
            return int(status.rpartition(" ")[2])

        return await self._database.transaction(work)

    async def _call(self, name: str, *arguments: Any) -> int:
        """Run one function alone; what it returned."""

        async def work(connection: asyncpg.Connection) -> int:
            if not await connection.fetchval(SQL["alone"], name):
                return 0
            return int(await connection.fetchval(SQL[name], *arguments))

        return await self._database.transaction(work)


def _policy(registry: str, is_named: Callable[[str], bool]) -> str:
    return dictionary.policy_of(ImageReference.parse(f"{registry}/a:b"), is_named)

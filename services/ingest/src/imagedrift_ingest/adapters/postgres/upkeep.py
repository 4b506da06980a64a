"""Upkeep in PostgreSQL: what is done now and then, by one replica at a time.

Rules:
- Each step is for itself: one that fails is told, and stops no other.
- What removes does so a bounded number of rows at a time, each in a transaction of its own, and
  again until nothing is left. A run ends after a while all the same, and the next goes on.
- Work is done in turns (`turns`), so that replicas do not do it twice.
- Every table has its retention, or a reason why it is bounded: see docs/operators.md. A test knows
  the tables.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import asyncpg
import structlog

from imagedrift_ingest.adapters.postgres import references
from imagedrift_ingest.adapters.postgres.answers import rejudge
from imagedrift_ingest.adapters.postgres.connect import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.adapters.postgres.turns import LEASE_S, Turns
from imagedrift_ingest.core.retention import ROWS_AT_ONCE, Retention, that_fit
from imagedrift_schemas.reference import ImageReference

log = structlog.get_logger()

SQL = load("upkeep")
MOST_AT_ONCE = 500
RULES = 1
"""Version of the rules of `core.verdict`: a greater one has every verdict made anew, once."""
MONTHS_AHEAD = 2
STEP_WITHIN_S = 300.0
"""How long a step repeats itself in one run. What is left is done by the next."""
TURN_S = LEASE_S / 3
"""A turn is given back and taken anew after so long: no replica holds one for long."""


class StepsFailed(Exception):
    """Some steps of upkeep failed; the message names them, and the log says why."""


class Upkeep:
    """The steps, by name."""

    def __init__(self, database: Database, retention: Retention | None = None) -> None:
        self._database = database
        self._keep = retention or Retention()
        self._turns = Turns(database)

    async def add_up_usage(self) -> int:
        """Add up how many hosts have each image; the number of images that changed."""
        return await self._once("add_up_usage")

    async def analyze_grown(self) -> int:
        """Have statements planned anew that use a table which has doubled; how many tables have."""
        return await self._turns.run("analyze_grown", lambda: self._value("analyze_grown")) or 0

    async def count_hosts(self) -> int:
        """Count the hosts of every reference, for the planner."""
        return await self._once("count_hosts")

    async def take_trend(self) -> int:
        """Keep the fleet summary of these five minutes."""
        return await self._once("take_trend")

    async def tidy(self, at: datetime | None = None) -> dict[str, int]:
        """Make months ahead, retire, and drop what is past its retention; how many of each.

        `at` is the database's time if it is not told. Raises `StepsFailed` when some step failed,
        after all the others.
        """
        at = at or await self._value("moment")
        done: dict[str, int] = {}
        failed: list[str] = []
        for name, work in self._steps(at).items():
            done[name] = 0
            try:
                await self._repeat(name, work, done)
            except Exception as error:
                log.exception("upkeep.failed", step=name)
                failed.append(f"{name} ({type(error).__name__})")
        if failed:
            raise StepsFailed(f"not done: {', '.join(failed)}")
        return done

    def _steps(self, at: datetime) -> dict[str, Callable[[], Awaitable[int]]]:
        """Name the steps, in their order: what refers to something goes before it."""
        history = self._keep.history_before(at)
        silent = self._keep.retire_before(at)
        letters = self._keep.letters_before(at)

        def drop(statement: str, before: datetime) -> Callable[[], Awaitable[int]]:
            return lambda: self._rows(statement, before, ROWS_AT_ONCE)

        return {
            "months_made": lambda: self._value("make_months", MONTHS_AHEAD),
            "months_dropped": lambda: self._value("drop_months", history),
            "host_changes_dropped": drop("drop_misplaced", history),
            "hosts_retired": lambda: self._retire(silent, at),
            "hosts_dropped": drop("drop_hosts", history),
            "nameless_hosts_dropped": drop("drop_nameless", history),
            "images_marked": drop("mark_unused", at),
            "images_dropped": drop("drop_unused", history),
            "references_dropped": drop("drop_refs", history),
            "tags_dropped": drop("drop_tags", history),
            "descriptions_dropped": drop("drop_descriptions", history),
            "registries_dropped": drop("drop_registries", silent),
            "trend_dropped": drop("drop_trend", history),
            "changes_dropped": drop("drop_changes", letters),
            "letters_dropped": drop("drop_letters", letters),
            "quotas_dropped": drop("drop_quotas", at),
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
                await references.lock(connection, changed)
                await connection.execute(SQL["start_asking"], changed)
                await rejudge(connection, await references.lock(connection, changed))
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
            locked = await references.lock(connection, [row["reference"] for row in rows])
            return rows[-1]["ref_id"], await rejudge(connection, locked)

        return await self._database.transaction(work)

    async def empty(self) -> None:
        """Forget every fact."""

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(SQL["empty"])
            await connection.execute(SQL["new_generation"])

        await self._database.transaction(work)

    async def forget(self, site: str, host: str) -> None:
        """Give up one host, whatever it said last."""

        async def work(connection: asyncpg.Connection) -> None:
            at = await connection.fetchval(SQL["moment"])
            found = await connection.fetch(SQL["lock_host"], site, host)
            await connection.execute(SQL["retire"], [row["host_id"] for row in found], at)

        await self._database.transaction(work)

    async def _retire(self, silent_since: datetime, at: datetime) -> int:
        """Give up some silent hosts: as many as have, together, the rows for one transaction."""

        async def work(connection: asyncpg.Connection) -> int:
            silent = await connection.fetch(SQL["long_silent"], silent_since, MOST_AT_ONCE)
            some = silent[: that_fit([row["images"] for row in silent])]
            if some:
                await connection.execute(SQL["retire"], [row["host_id"] for row in some], at)
            return len(some)

        return await self._database.transaction(work)

    async def _repeat(
        self, name: str, work: Callable[[], Awaitable[int]], done: dict[str, int]
    ) -> None:
        """Do a step until nothing is left, it is another's turn, or the run has taken too long."""
        until = time.monotonic() + STEP_WITHIN_S

        async def for_a_turn() -> bool:
            turn_ends = time.monotonic() + TURN_S
            while time.monotonic() < turn_ends:
                some = await work()
                done[name] += some
                if not some:
                    return False
            return True

        while await self._turns.run(f"upkeep.{name}", for_a_turn):
            log.info("upkeep.goes_on", step=name, done=done[name])
            if time.monotonic() > until:
                log.warning("upkeep.left_some", step=name, done=done[name])
                return

    async def _once(self, name: str) -> int:
        """Run one statement in its turn; how many rows it wrote."""
        return await self._turns.run(name, lambda: self._rows(name)) or 0

    async def _rows(self, name: str, *arguments: Any) -> int:
        """Run one statement; how many rows it wrote."""
        status = await self._database.transaction(lambda c: c.execute(SQL[name], *arguments))
        return int(status.rpartition(" ")[2])

    async def _value(self, name: str, *arguments: Any) -> Any:
        """Run one statement; the value that it returns."""
        return await self._database.transaction(lambda c: c.fetchval(SQL[name], *arguments))


def _policy(registry: str, is_named: Callable[[str], bool]) -> str:
    return references.policy_of(ImageReference.parse(f"{registry}/a:b"), is_named)

"""The statements of maintenance in PostgreSQL, and of removals by an operator's hand.

What removes does so a bounded number of rows at a time, each in a transaction of its own.
"""

from datetime import datetime
from typing import Any, Final

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.retention import ROWS_AT_ONCE, RetentionStep, that_fit

SQL = load("maintenance")
MOST_AT_ONCE: Final = 500
MONTHS_AHEAD: Final = 2
DROPPING: Final = {
    "host_changes_dropped": "drop_misplaced",
    "hosts_dropped": "drop_hosts",
    "nameless_hosts_dropped": "drop_nameless",
    "images_dropped": "drop_unused",
    "images_trimmed": "trim_unused",
    "bases_dropped": "drop_bases",
    "tags_dropped": "drop_tags",
    "tags_trimmed": "trim_tags",
    "descriptions_dropped": "drop_descriptions",
    "image_facts_dropped": "drop_image_facts",
    "registries_dropped": "drop_registries",
    "trend_dropped": "drop_trend",
    "changes_dropped": "drop_changes",
    "letters_dropped": "drop_letters",
    "quotas_dropped": "drop_quotas",
    "plan_hosts_dropped": "drop_plan_hosts",
    "plans_dropped": "drop_plans",
}
"""The statements of steps that take a moment and how many rows they may write."""
LOOKING_THROUGH: Final = {
    "images_marked": "mark_unused",
    "references_dropped": "drop_refs",
    "lists_dropped": "drop_lists",
}
"""The same of steps that read a table from its start to its end, a portion at a time."""
LOOKED_AT_AT_ONCE: Final = 5000


class MaintainedTables:
    """The tables that are maintained."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looked_to: dict[str, int] = {}
        """How far each step has looked through its table; 0: it begins."""

    async def moment(self) -> datetime:
        """Tell the database's time."""
        moment: datetime = await self._database.fetch_value(SQL["moment"])
        return moment

    async def run_step(self, step: RetentionStep) -> int:
        """Run a step once, and return how many rows, months or hosts it changed."""
        match step.name:
            case "months_made":
                return await self._count("make_months", MONTHS_AHEAD)
            case "months_dropped":
                return await self._count("drop_months", step.before)
            case "hosts_retired":
                return await self._database.transaction(self._retire_silent, step)
            case name if name in LOOKING_THROUGH:
                return await self._look_on(step)
            case name:
                return await self._database.execute(SQL[DROPPING[name]], step.before, ROWS_AT_ONCE)

    async def add_up_usage(self) -> int:
        """Add up how many hosts have each image."""
        return await self._database.execute(SQL["add_up_usage"])

    async def analyze_grown(self) -> int:
        """Have statements planned anew that use a table which has doubled; how many have."""
        return await self._count("analyze_grown")

    async def count_hosts(self) -> int:
        """Count the hosts of every reference."""
        return await self._database.execute(SQL["count_hosts"])

    async def take_trend(self) -> int:
        """Keep the fleet summary of these five minutes."""
        return await self._database.execute(SQL["take_trend"])

    async def empty(self) -> None:
        """Delete every fact."""
        await self._database.transaction(self._empty)

    async def retire(self, site: str, host: str) -> None:
        """Retire one host now, however fresh its last report is."""
        await self._database.transaction(self._retire_host, site, host)

    async def _count(self, name: str, *arguments: Any) -> int:
        """Run a statement that returns a count."""
        return int(await self._database.fetch_value(SQL[name], *arguments))

    async def _look_on(self, step: RetentionStep) -> int:
        """Look on through a table until some rows are changed; 0: it was read to its end."""
        while True:
            looked_to = self._looked_to.get(step.name, 0)
            bounds = (ROWS_AT_ONCE, looked_to, LOOKED_AT_AT_ONCE)
            [row] = await self._database.fetch(
                SQL[LOOKING_THROUGH[step.name]], step.before, *bounds
            )
            self._looked_to[step.name] = row["looked_to"] or 0
            if row["changed"] or row["looked_to"] is None:
                return int(row["changed"])

    async def _empty(self, connection: asyncpg.Connection) -> None:
        await connection.execute(SQL["empty"])
        await connection.execute(SQL["new_generation"])

    async def _retire_host(self, connection: asyncpg.Connection, site: str, host: str) -> None:
        at = await connection.fetchval(SQL["moment"])
        found = await connection.fetch(SQL["lock_host"], site, host)
        await connection.execute(SQL["retire"], [row["host_id"] for row in found], at)

    async def _retire_silent(self, connection: asyncpg.Connection, step: RetentionStep) -> int:
        """Give up some silent hosts: as many as have, together, the rows for one transaction."""
        silent = await connection.fetch(SQL["long_silent"], step.before, MOST_AT_ONCE)
        some = silent[: that_fit([row["images"] for row in silent])]
        if some:
            await connection.execute(SQL["retire"], [row["host_id"] for row in some], step.at)
        return len(some)

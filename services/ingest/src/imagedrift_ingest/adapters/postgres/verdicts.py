"""Verdicts that change without an answer: by another policy, or by newer rules of a verdict."""

from collections.abc import Callable
from typing import Final

import asyncpg

from imagedrift_ingest.adapters.postgres import references
from imagedrift_ingest.adapters.postgres.answers import rejudge
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.policy import policy_of_tags
from imagedrift_schemas.registry_name import RegistryName

SQL = load("maintenance")
MOST_AT_ONCE: Final = 500
RULES: Final = 1
"""Version of the rules of `core.verdict`: a greater one has every verdict made again, once."""


class StoredVerdicts:
    """The verdicts of all references."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def apply_policy(self, is_named: Callable[[str], bool]) -> int:
        """Give each reference the policy of now; how many have another one than before."""
        return await self._database.transaction(self._apply_policy, is_named)

    async def judge_again(self) -> int:
        """Make again the verdicts that older rules made and return how many changed."""
        if await self._database.fetch_value(SQL["judged_by"]) >= RULES:
            return 0
        last, changed = await self._database.transaction(self._judge_some, 0)
        while last:
            last, more = await self._database.transaction(self._judge_some, last)
            changed += more
        await self._database.execute(SQL["set_judged_by"], RULES)
        return changed

    async def _apply_policy(
        self, connection: asyncpg.Connection, is_named: Callable[[str], bool]
    ) -> int:
        changed: list[str] = []
        for row in await connection.fetch(SQL["policies"]):
            wanted = policy_of_tags(RegistryName(row["registry"]), is_named)
            if wanted != row["policy"]:
                rows = await connection.fetch(SQL["set_policy"], row["registry"], wanted)
                changed += [row["reference"] for row in rows]
        if changed:
            await references.lock(connection, changed)
            await connection.execute(SQL["start_asking"], changed)
            await rejudge(connection, await references.lock(connection, changed))
        return len(changed)

    async def _judge_some(self, connection: asyncpg.Connection, after: int) -> tuple[int, int]:
        """Judge the next references.

        Returns the key of the last one (0: none is left), and how many verdicts changed.
        """
        rows = await connection.fetch(SQL["references_after"], after, MOST_AT_ONCE)
        if not rows:
            return 0, 0
        locked = await references.lock(connection, [row["reference"] for row in rows])
        return rows[-1]["ref_id"], await rejudge(connection, locked)

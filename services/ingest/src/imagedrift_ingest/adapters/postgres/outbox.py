"""The outbox in PostgreSQL: a change is published if and only if it was committed.

A change is written in the transaction that makes it and removed after NATS has stored it. A crash
in between publishes it twice, under the same identity, and the stream keeps one.
"""

from collections.abc import Awaitable, Callable

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connect import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_schemas.v1 import Changed

SQL = load("outbox")
MOST_AT_ONCE = 500


class Leaving(Struct, frozen=True):
    """A change that is to be published, and the identity under which."""

    change_id: int
    message_id: str
    message: Changed


Send = Callable[[list[Leaving]], Awaitable[list[int]]]
"""Publishes changes of different references in any order, of one in theirs; which are stored."""


class Outbox:
    """Changed verdicts that are not published yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, send: Send) -> int:
        """Publish what waits, unless another replica does; how many were stored."""

        async def work(connection: asyncpg.Connection) -> int:
            if not await connection.fetchval(SQL["alone"]):
                return 0
            rows = await connection.fetch(SQL["waiting"], MOST_AT_ONCE)
            stored = await send([_leaving(row) for row in rows]) if rows else []
            if stored:
                await connection.execute(SQL["sent"], stored)
            return len(stored)

        return await self._database.transaction(work)


def _leaving(row: asyncpg.Record) -> Leaving:
    at = row["changed_at"]
    message = Changed(
        registry=row["registry"],
        repository=row["repository"],
        tag=row["tag"] or "",
        platform=row["platform"],
        image_id=row["image_id"],
        from_verdict=row["from_verdict"],
        from_reason=row["from_reason"],
        to_verdict=row["to_verdict"],
        to_reason=row["to_reason"],
        remote_digest=row["remote_digest"] or "",
        changed_at=at,
        hosts=row["hosts"],
        running_hosts=row["running_hosts"],
    )
    # The number starts anew in an emptied database; with the moment it is never used twice.
    return Leaving(row["change_id"], f"{row['change_id']}-{at.timestamp():.6f}", message)

"""The outbox in PostgreSQL: a change is published if and only if it was committed.

A change is written in the transaction that makes it and removed after NATS has stored it. A crash
in between publishes it twice, under the same identity, and the stream keeps one. One replica
publishes at a time, in a turn, so that changes stay in order; nothing is locked meanwhile.
"""

from collections.abc import Awaitable, Callable

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connect import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.adapters.postgres.turns import Turns
from imagedrift_schemas.v1 import Changed

SQL = load("outbox")
TURN = "announce"
MOST_AT_ONCE = 200


class Leaving(Struct, frozen=True):
    """A change that is to be published, and the identity under which."""

    change_id: int
    message_id: str
    message: Changed


Send = Callable[[list[Leaving]], Awaitable[list[int]]]
"""Publishes changes of different references in any order, of one in theirs; which are stored."""


class Outbox:
    """Changed verdicts that are not published yet."""

    def __init__(self, database: Database, turns: Turns | None = None) -> None:
        self._database = database
        self._turns = turns or Turns(database)

    async def publish(self, send: Send) -> int:
        """Publish what waits, unless another replica does; how many were stored."""
        return await self._turns.run(TURN, lambda: self._publish(send)) or 0

    async def _publish(self, send: Send) -> int:
        async def waiting(connection: asyncpg.Connection) -> list[asyncpg.Record]:
            return list(await connection.fetch(SQL["waiting"], MOST_AT_ONCE))

        rows = await self._database.transaction(waiting)
        stored = await send([_leaving(row) for row in rows]) if rows else []
        if stored:
            await self._database.transaction(lambda c: c.execute(SQL["sent"], stored))
        return len(stored)


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

"""The outbox in PostgreSQL: changed verdicts that are not published yet."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.outbox import OutboxEntry
from imagedrift_schemas.v1 import Changed

SQL = load("outbox")
MOST_AT_ONCE: Final = 200


class OutboxTable:
    """Changed verdicts, written in the transactions that made them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self) -> Sequence[OutboxEntry]:
        """Read the oldest changes, a bounded number of them."""
        rows = await self._database.fetch(SQL["waiting"], MOST_AT_ONCE)
        return [_entry(row) for row in rows]

    async def remove(self, change_ids: Sequence[int]) -> None:
        """Remove changes that are published."""
        await self._database.execute(SQL["sent"], list(change_ids))


def _entry(row: asyncpg.Record) -> OutboxEntry:
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
        changed_at=row["changed_at"],
        hosts=row["hosts"],
        running_hosts=row["running_hosts"],
    )
    return OutboxEntry(row["change_id"], message)

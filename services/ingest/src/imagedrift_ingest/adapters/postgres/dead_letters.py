"""Refused messages in PostgreSQL, added up by the hour."""

from collections.abc import Iterable

import msgspec

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import dead_letters
from imagedrift_schemas.v1 import DeadLetter

SQL = load("answers")


class DeadLetterTable:
    """Refused messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, epoch: int, letters: Iterable[tuple[int, DeadLetter]]) -> None:
        """Store refused messages, each with its sequence."""
        rows = [msgspec.structs.astuple(row) for row in dead_letters.rows(letters)]
        await self._database.execute(SQL["store_dead_letters"], epoch, *arguments(rows, 12))

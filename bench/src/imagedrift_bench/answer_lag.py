"""Ingest's lag: how long an answer waits until it is stored, measured again and again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

from imagedrift_bench.flip import publish_answer
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_sandbox.fleet.invented import NEWEST, InventedFleet

EVERY_S: Final = 0.1
POLL_S: Final = 0.002
WITHIN_S: Final = 10.0
STORED: Final = "SELECT checked_at FROM ops.images WHERE reference = $1"


class AnswerLag:
    """Publishes answers about one reference that change nothing, and waits for each."""

    def __init__(self, fleet: InventedFleet, bucket: Bucket, dsn: str, reference: int) -> None:
        self._fleet = fleet
        self._number = reference
        self._bucket = bucket
        self._dsn = dsn

    @asynccontextmanager
    async def sampling(self) -> AsyncIterator[list[float]]:
        """Measure for the length of the context; the milliseconds of each answer."""
        taken: list[float] = []
        connection = await asyncpg.connect(self._dsn)
        task = asyncio.create_task(self._sample(connection, taken))
        try:
            yield taken
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await connection.close()

    async def _sample(self, connection: asyncpg.Connection, taken: list[float]) -> None:
        while True:
            began = time.perf_counter()
            await self._store_one(connection)
            taken.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(EVERY_S)

    async def _store_one(self, connection: asyncpg.Connection) -> None:
        reference = self._fleet.reference(self._number)
        answer = await publish_answer(self._bucket, self._fleet, self._number, NEWEST)
        async with asyncio.timeout(WITHIN_S):
            # Polled, as it happens in another process.
            while (  # noqa: ASYNC110
                await connection.fetchval(STORED, reference) != answer.checked_at
            ):
                await asyncio.sleep(POLL_S)

"""Ingest's lag: how long an answer waits until it is stored, measured again and again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_sandbox.fleet.invented import NEWEST, InventedFleet
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, Found

EVERY_S: Final = 0.1
POLL_S: Final = 0.002
WITHIN_S: Final = 10.0
STORED: Final = "SELECT checked_at FROM ops.images WHERE reference = $1"


class AnswerLag:
    """Publishes answers about one reference that change nothing, and waits for each."""

    def __init__(self, fleet: InventedFleet, bucket: Bucket, dsn: str, reference: int) -> None:
        self._digest = fleet.digest(reference, NEWEST)
        self._reference = fleet.reference(reference)
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
        registry, _, rest = self._reference.partition("/")
        repository, _, tag = rest.rpartition(":")
        answer = Answer(
            registry=registry,
            repository=repository,
            tag=tag,
            checked_at=now(),
            outcome=Found(digest=self._digest),
            last_digest=self._digest,
        )
        await self._bucket.put(subjects.answer_key(answer), codec.encode(answer))
        async with asyncio.timeout(WITHIN_S):
            # Polled, as it happens in another process.
            while (  # noqa: ASYNC110
                await connection.fetchval(STORED, self._reference) != answer.checked_at
            ):
                await asyncio.sleep(POLL_S)

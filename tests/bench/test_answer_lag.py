"""Ingest's lag, as the benchmark of the pages measures it."""

from pathlib import Path

import asyncpg

from imagedrift_bench.answer_lag import AnswerLag
from imagedrift_bench.seed import seed
from imagedrift_runtime.nats import bus
from imagedrift_sandbox.fleet.invented import InventedFleet
from imagedrift_sandbox.stack import Stack
from imagedrift_schemas import subjects
from support.polling import until

FLEET = InventedFleet(hosts=20, images=3)


async def test_an_answer_counts_when_ingest_has_stored_it(tmp_path: Path) -> None:
    """Answers that change nothing are published one after the other, and each wait is kept."""
    async with (
        Stack.running(tmp_path / "stack") as stack,
        bus.connect([stack.nats.url], "test") as nats,
    ):
        connection = await asyncpg.connect(stack.dsn)
        await seed(connection, FLEET)
        await connection.close()
        lag = AnswerLag(FLEET, await nats.bucket(subjects.BUCKET_DIGESTS), stack.dsn, 1)
        await stack.start_ingest()
        async with lag.sampling() as waits:
            await until(lambda: len(waits) >= 3, "three answers are stored")

    assert min(waits) > 0

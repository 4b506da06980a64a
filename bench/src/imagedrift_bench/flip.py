"""`imagedrift bench flip`: a tag moves that every host of a large fleet has.

The answer comes through NATS to a running ingest process. It is visible when a query about a host
returns `outdated`. `rows_written` are rows of images and hosts, the tables that grow with a
fleet; `other_rows_written` are all others: answer, history of the tag, outbox, questions.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

import asyncpg
import click

from imagedrift_bench import report
from imagedrift_bench.seed import UNANSWERED_EVERY, seed
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_sandbox.fleet.invented import NEWEST, SITE, VERSIONS, InventedFleet
from imagedrift_sandbox.stack import Stack
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.reference import CanonicalParts
from imagedrift_schemas.v1 import Answer, Found

SETTINGS: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB", "autovacuum": "off"}
IMAGES: Final = 3
REFERENCES: Final = 4
REPEATS: Final = 5
WITHIN_S: Final = 10.0
POLL_S: Final = 0.002
WRITTEN: Final = """
    SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal,
      sum(t.n) FILTER (WHERE t.grows) AS rows, sum(t.n) FILTER (WHERE NOT t.grows) AS other
    FROM (
      SELECT n_tup_ins + n_tup_upd + n_tup_del AS n, relname ~ '^(comparisons|host.*)$' AS grows
      FROM pg_stat_user_tables WHERE schemaname = 'fleet'
    ) AS t
"""


@click.command("flip")
@report.count("--hosts", 100_000)
@report.as_json
def command(hosts: int, as_json: bool) -> None:
    """Move one tag: rows and log written, and how soon every host has its new verdict."""
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        Path(home).chmod(0o755)
        figures, failed = asyncio.run(_measure(hosts, Path(home)))
    report.finish("flip", figures, as_json=as_json, failed_checks=failed)


async def _measure(hosts: int, home: Path) -> tuple[dict[str, float | int], list[str]]:
    fleet = InventedFleet(hosts, IMAGES, REFERENCES)
    async with (
        Stack.running(home, durable=True, postgres_settings=SETTINGS) as stack,
        bus.connect([stack.nats.url], "imagedrift-bench") as nats,
    ):
        connection = await asyncpg.connect(stack.dsn)
        report.progress.print(f"writing {hosts * IMAGES} rows")
        truth = await seed(connection, fleet)
        await stack.start_ingest()
        popular = max(
            (n for n in range(REFERENCES) if n % UNANSWERED_EVERY),
            key=lambda n: truth.hosts_with_digest[n, NEWEST],
        )
        flip = Flip(fleet, await nats.bucket(subjects.BUCKET_DIGESTS), connection, popular)
        runs = [await flip.run(turn) for turn in range(REPEATS)]
        having = sum(truth.hosts_with_digest[popular, version] for version in range(VERSIONS))
        failed = [words for words in (await flip.check(having),) if words]
        await connection.close()
    typical = sorted(runs, key=lambda run: run["answer_to_visible_ms"])[REPEATS // 2]
    # One row more: of the image whose own digest the registry is asked about, that it was asked.
    # Of the moves to a new digest the one counts beside which nothing else was written.
    undisturbed = min(runs[::2], key=lambda run: run["rows_written"])
    if undisturbed["rows_written"] > VERSIONS + 1:
        failed.append(f"{undisturbed['rows_written']} rows written for {VERSIONS} distinct images")
    shown = {"hosts": hosts, "hosts_with_it": having, "distinct_images": VERSIONS}
    counted = ("rows_written", "other_rows_written", "wal_bytes")
    written = {name: undisturbed[name] for name in counted}
    visible = {"answer_to_visible_ms": typical["answer_to_visible_ms"]}
    return shown | written | visible, failed


async def publish_answer(
    bucket: Bucket, fleet: InventedFleet, reference: int, version: int
) -> Answer:
    """Let the registry have a version under a tag, as a resolver would tell; returns the answer."""
    digest = fleet.digest(reference, version)
    parts = CanonicalParts.of(fleet.reference(reference))
    answer = Answer(
        registry=parts.registry,
        repository=parts.repository,
        tag=parts.tag,
        checked_at=now(),
        outcome=Found(digest=digest),
        last_digest=digest,
    )
    await bucket.put(subjects.answer_key(answer), codec.encode(answer))
    return answer


class Flip:
    """Moves one tag again and again, and queries a host that has it."""

    def __init__(
        self, fleet: InventedFleet, bucket: Bucket, connection: asyncpg.Connection, reference: int
    ) -> None:
        self._fleet = fleet
        self._bucket = bucket
        self._db = connection
        self._number = reference
        self._reference = fleet.reference(reference)

    async def run(self, turn: int) -> dict[str, float | int]:
        """Move the tag to an image without hosts, or back; return the rows written and the time."""
        version = VERSIONS + 1 if turn % 2 == 0 else NEWEST
        host = await self._db.fetchval(
            "SELECT host FROM ops.comparisons WHERE reference = $1 AND local_digests @> $2 LIMIT 1",
            self._reference,
            [self._fleet.digest(self._number, NEWEST)],
        )
        expected = "outdated" if version != NEWEST else "current"
        before = await self._counters()
        began = time.perf_counter()
        await publish_answer(self._bucket, self._fleet, self._number, version)
        await self._visible(host, expected)
        took = (time.perf_counter() - began) * 1000
        after = await self._counters()
        return {
            "answer_to_visible_ms": round(took, 1),
            "rows_written": int(after["rows"] - before["rows"]),
            "other_rows_written": int(after["other"] - before["other"]),
            "wal_bytes": int(after["wal"] - before["wal"]),
        }

    async def check(self, having: int) -> str:
        """Return the fault, if any: after an odd number of moves every host is outdated."""
        row = await self._db.fetchrow(
            "SELECT outdated_hosts, hosts FROM ops.images WHERE reference = $1", self._reference
        )
        if row is None or (row["hosts"], row["outdated_hosts"]) != (having, having):
            return f"{row} should be {having} hosts, all of them outdated"
        return ""

    async def _visible(self, host: str, verdict: str) -> None:
        sql = "SELECT verdict FROM ops.comparisons WHERE site = $1 AND host = $2 AND reference = $3"
        where = SITE, host, self._reference
        async with asyncio.timeout(WITHIN_S):
            # Polled, as it happens in another process.
            while await self._db.fetchval(sql, *where) != verdict:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)

    async def _counters(self) -> asyncpg.Record:
        await asyncio.sleep(1.5)  # statistics are reported a second after a transaction
        await self._db.execute("SELECT pg_stat_force_next_flush()")  # the seed's own are pending
        row = await self._db.fetchrow(WRITTEN)
        assert row is not None
        return row

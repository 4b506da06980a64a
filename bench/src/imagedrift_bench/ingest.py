"""`imagedrift bench ingest`: a fleet's first inventories, then a cycle without changes.

The service is a process of its own, started by its console script. The raw limit is a binary COPY
of the same rows into the same table, with its indexes and foreign keys, in the same run. An
unchanged host sends a heartbeat. A second cycle, in which all hosts publish their unchanged
inventories again, is measured as well. Neither cycle may write rows of images.
"""

import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import click

from imagedrift_bench import report
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.fleet.invented import TAKEN_AT, InventedFleet
from imagedrift_sandbox.fleet.publishing import publish
from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_sandbox.stack import Stack

POLL_S = 0.05
CYCLES = 3
WITHIN_S = 900.0
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
CLEAR = "TRUNCATE fleet.host_images"
WAL_OF_IMAGES = """
    SELECT coalesce(sum(w.block_data_length + w.block_fpi_length), 0)::bigint
    FROM pg_get_wal_block_info($1::text::pg_lsn, $2::text::pg_lsn) AS w
    WHERE w.relfilenode IN (
      SELECT pg_relation_filenode('fleet.host_images')
      UNION ALL
      SELECT pg_relation_filenode(indexrelid) FROM pg_index
      WHERE indrelid = 'fleet.host_images'::regclass
    )
"""


class _Counters(NamedTuple):
    """The end of the write-ahead log, and the number of image rows that were ever written."""

    lsn: str
    wal: int
    image_rows: int


@click.command("ingest")
@report.count("--hosts", 100_000)
@report.count("--images", 30)
@report.as_json
def command(hosts: int, images: int, as_json: bool) -> None:
    """Cold start of a fleet, then an unchanged cycle: from NATS to committed rows."""
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        Path(home).chmod(0o755)
        figures, failed = asyncio.run(_measure(InventedFleet(hosts, images), Path(home)))
    report.finish("ingest", figures, as_json=as_json, failed_checks=failed)


async def _measure(fleet: InventedFleet, home: Path) -> tuple[dict[str, float | int], list[str]]:
    async with (
        Stack.running(home, durable=True, postgres_settings=SETTINGS) as stack,
        bus.connect([stack.nats.url], "imagedrift-bench") as nats,
    ):
        connection = await asyncpg.connect(stack.dsn)
        await connection.execute("CREATE EXTENSION pg_walinspect")
        report.progress.print(f"publishing {fleet.hosts} inventories")
        await publish(nats, _inventories(fleet))
        run = _Run(fleet, stack, nats, connection)
        await run.cold()
        await run.copy()
        await run.unchanged()
        await run.sent_again()
        await connection.close()
        return run.figures, run.failed


class _Run:
    """The phases, in order, and their figures."""

    def __init__(
        self, fleet: InventedFleet, stack: Stack, nats: Bus, connection: asyncpg.Connection
    ) -> None:
        self.figures: dict[str, float | int] = {"hosts": fleet.hosts, "images": fleet.images}
        self.failed: list[str] = []
        self._fleet = fleet
        self._stack = stack
        self._nats = nats
        self._db = connection
        self._service: ServiceProcess

    async def _start(self) -> ServiceProcess:
        """Start the service, without a resolver, so that each question is asked once at most."""
        return await self._stack.start_ingest(IMAGEDRIFT_OUTSTANDING="100000")

    async def cold(self) -> None:
        """Start the service on a full stream and an empty database."""
        report.progress.print("cold start")
        began = time.perf_counter()
        self._service = await self._start()
        await self._until(self._stored)
        self.figures["cold_seconds"] = round(time.perf_counter() - began, 3)
        rows = await self._db.fetchval("SELECT count(*) FROM fleet.host_images")
        self._check(rows == self._fleet.hosts * self._fleet.images, f"{rows} rows were stored")
        self.figures["rows_per_second"] = round(rows / self.figures["cold_seconds"])
        self.figures["rss_mb"] = round(peak_mb(self._service.child.pid), 1)
        self._check(self.figures["rss_mb"] < 200, "the process took 200 MB or more")

    async def copy(self) -> None:
        """Write the same rows into the same table by one binary COPY without our triggers."""
        report.progress.print("raw COPY of the same rows")
        await self._stack.stop_services()
        rows = self._stack.home / "rows.copy"
        await self._db.copy_from_table(
            "host_images", schema_name="fleet", output=rows, format="binary", timeout=WITHIN_S
        )
        count = await self._db.fetchval("SELECT count(*) FROM fleet.host_images")
        await self._db.execute(CLEAR)
        await self._db.execute("ALTER TABLE fleet.host_images DISABLE TRIGGER USER")
        await self._db.execute("CHECKPOINT")
        began = time.perf_counter()
        await self._db.copy_to_table(
            "host_images", schema_name="fleet", source=rows, format="binary", timeout=WITHIN_S
        )
        took = time.perf_counter() - began
        rows.unlink()
        await self._db.execute("ALTER TABLE fleet.host_images ENABLE TRIGGER USER")
        self._check(
            count == await self._db.fetchval("SELECT count(*) FROM fleet.host_images"),
            "COPY did not write the same rows",
        )
        self.figures["copy_seconds"] = round(took, 3)
        self.figures["cold_ratio"] = round(self.figures["cold_seconds"] / took, 3)
        await self._db.execute("VACUUM ANALYZE fleet.host_images, fleet.host_state")

    async def unchanged(self) -> None:
        """Send every host's heartbeat, and return the median of some cycles."""
        report.progress.print("unchanged cycle: heartbeats")
        await self._start()
        pieces = [self._fleet.heartbeat(number, now()) for number in range(self._fleet.hosts)]
        before = await self._counters()
        took = statistics.median([await self._cycle(pieces) for _ in range(CYCLES)])
        await self._compare(before, await self._counters(), took, "unchanged", cycles=CYCLES)

    async def _cycle(self, pieces: list[tuple[str, bytes]]) -> float:
        began, since = time.perf_counter(), now()

        async def say() -> None:
            for number, (subject, payload) in enumerate(pieces):
                await self._nats.say(subject, payload)
                if number % 1000 == 999:
                    await self._nats.flush()

        await asyncio.gather(say(), self._until(lambda: self._has_seen_all(since)))
        return time.perf_counter() - began

    async def sent_again(self) -> None:
        """Publish every host's unchanged inventory again."""
        report.progress.print("unchanged cycle: whole inventories")
        highest = await self._db.fetchval("SELECT max(seq) FROM fleet.host_state")
        before = await self._counters()
        began = time.perf_counter()
        await self._stack.stop_services()
        published = time.perf_counter()
        await publish(self._nats, _inventories(self._fleet))
        began += time.perf_counter() - published
        await self._start()
        await self._until(lambda: self._newer(highest))
        took = time.perf_counter() - began
        await self._compare(before, await self._counters(), took, "sent_again")

    async def _compare(
        self,
        before: _Counters,
        after: _Counters,
        took: float,
        name: str,
        *,
        cycles: int = 1,
    ) -> None:
        hosts = self._fleet.hosts
        self.figures[f"{name}_hosts_per_second"] = round(hosts / took)
        wal = (after.wal - before.wal) / hosts / cycles
        self.figures[f"wal_bytes_per_{name}_host"] = round(wal, 1)
        of_images = await self._db.fetchval(WAL_OF_IMAGES, before.lsn, after.lsn, timeout=WITHIN_S)
        per_row = of_images / hosts / self._fleet.images / cycles
        self.figures[f"wal_bytes_per_{name}_image_row"] = round(per_row, 3)
        self._check(of_images == 0, f"{of_images} bytes of WAL are about images of unchanged hosts")
        written = after.image_rows - before.image_rows
        self._check(written == 0, f"{written} image rows were written for unchanged hosts")

    async def _counters(self) -> _Counters:
        await asyncio.sleep(1.5)  # statistics are reported a second after a transaction
        await self._db.execute("SELECT pg_stat_force_next_flush()")  # and our own now
        row = await self._db.fetchrow(
            """SELECT pg_current_wal_insert_lsn()::text AS lsn,
                 pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal,
                 n_tup_ins + n_tup_upd + n_tup_del AS image_rows
               FROM pg_stat_all_tables WHERE relid = 'fleet.host_images'::regclass"""
        )
        assert row is not None
        return _Counters(row["lsn"], int(row["wal"]), int(row["image_rows"]))

    async def _stored(self) -> bool:
        done = await self._db.fetchval(
            "SELECT count(*) FROM fleet.host_state WHERE content IS NOT NULL"
        )
        return bool(done == self._fleet.hosts)

    async def _has_seen_all(self, since: datetime) -> bool:
        late = "SELECT NOT EXISTS (SELECT FROM fleet.host_state WHERE last_seen_at < $1)"
        return bool(await self._db.fetchval(late, since))

    async def _newer(self, seq: int) -> bool:
        late = "SELECT NOT EXISTS (SELECT FROM fleet.host_state WHERE seq <= $1)"
        return bool(await self._db.fetchval(late, seq))

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not await condition():  # noqa: ASYNC110 - what is awaited is in another process
                await asyncio.sleep(POLL_S)

    def _check(self, good: Any, words: str) -> None:
        if not good:
            self.failed.append(words)


def _inventories(fleet: InventedFleet) -> Iterator[tuple[str, bytes]]:
    return (fleet.inventory(number, TAKEN_AT) for number in range(fleet.hosts))


def peak_mb(pid: int) -> float:
    """Return the most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0

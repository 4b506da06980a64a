"""Six workers on one database: whatever the order, the tables equal the newest inventories."""

import asyncio
import random
from collections import defaultdict
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.hosts import HostTables
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done
from imagedrift_schemas import codec, subjects
from support.flaky_database import FlakyDatabase
from support.ingest import MISCOUNTED, NOW, image, inventory
from support.storing import StillStream, database_of, hosts_on, maintain_on, store_inventories

WORKERS = 6
HOSTS = 40
REPORTS = 15
EPOCHS = 2
REFERENCES = [f"docker.io/library/app{n}:1" for n in range(12)]


class Report(NamedTuple):
    """One host's inventory, in its place in the stream."""

    host: str
    epoch: int
    seq: int
    versions: dict[str, int]

    @property
    def delivery(self) -> Delivery:
        """The report as it is delivered."""
        images = [
            image(name, version, running=(self.seq + version) % 2)
            for name, version in sorted(self.versions.items())
        ]
        subject = subjects.inventory("fra1", self.host)
        payload = codec.encode(inventory(self.host, images))
        stored_at = NOW + timedelta(days=self.epoch, seconds=self.seq)
        return Delivery(subject, payload, f"S{self.epoch}", self.seq, 1, stored_at)


class Stream(StillStream):
    """A stream of an epoch."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    async def epoch(self) -> int:
        """Tell it."""
        return self._epoch


def reports_of(draw: random.Random) -> list[Report]:
    """Every host reports its changing images, in two epochs of the stream."""
    reports: list[Report] = []
    seqs: dict[int, int] = defaultdict(int)
    for number in range(HOSTS):
        versions = dict.fromkeys(draw.sample(REFERENCES, 5), 1)
        for place in range(REPORTS):
            epoch = 1 + place * EPOCHS // REPORTS
            seqs[epoch] += 1
            reports.append(Report(f"h{number}", epoch, seqs[epoch], dict(versions)))
            for name in draw.sample(REFERENCES, draw.randrange(3)):
                versions[name] = versions.get(name, 0) + 1
            if len(versions) > 6:
                versions.pop(draw.choice(sorted(versions)))
    return reports


async def work(hosts: HostTables, batches: list[list[Report]], draw: random.Random) -> None:
    """Handle batches until none is left."""
    handlers = {n: store_inventories(hosts, Stream(n)) for n in range(1, EPOCHS + 1)}
    while batches:
        batch = batches.pop(draw.randrange(len(batches)))
        for epoch, handler in handlers.items():
            of_epoch = [report.delivery for report in batch if report.epoch == epoch]
            if of_epoch:
                outcomes = await handler.handle(of_epoch)
                assert set(map(type, outcomes)) == {Done}


async def add_up(pool: "asyncpg.Pool[asyncpg.Record]", batches: list[list[Report]]) -> int:
    """Add up usage while others write; how often it was looked at, and right."""
    maintenance = maintain_on(database_of(pool))
    looks = 0
    while batches:
        await maintenance.add_up_usage()
        assert await pool.fetch(MISCOUNTED) == []
        looks += 1
    return looks


@pytest.mark.parametrize("seed", range(3))
async def test_the_tables_equal_the_newest_inventories(dsn: str, seed: int) -> None:
    """P4, P5: shuffled, repeated and interrupted batches end in the newest inventories."""
    draw = random.Random(seed)
    reports = reports_of(draw)
    shuffled = reports + draw.sample(reports, len(reports) // 3)
    draw.shuffle(shuffled)
    batches = [shuffled[place : place + 25] for place in range(0, len(shuffled), 20)]

    async with connection.pool(dsn, connections=WORKERS + 1) as pool:
        async with asyncio.TaskGroup() as tasks:
            adding = tasks.create_task(add_up(pool, batches))
            for _ in range(WORKERS):
                hosts = hosts_on(FlakyDatabase(pool, draw))
                tasks.create_task(work(hosts, batches, draw))

        newest = {r.host: r for r in sorted(reports, key=lambda r: (r.epoch, r.seq))}
        rows = await pool.fetch("SELECT host, reference, image_id FROM ops.comparisons")
        assert {(row["host"], row["reference"], row["image_id"]) for row in rows} == {
            (report.host, name, image(name, version).image_id)
            for report in newest.values()
            for name, version in report.versions.items()
        }
        assert await broken_links(pool) == []
        assert adding.result() > 0
        assert await pool.fetch(MISCOUNTED) == []


async def broken_links(pool: "asyncpg.Pool[asyncpg.Record]") -> list[Any]:
    """Changes whose old image is not the one that the change before it brought."""
    rows = await pool.fetch(
        """SELECT host_id, ref_id, old_comparison_id AS old, new_comparison_id AS new,
             lag(new_comparison_id) OVER chain AS before, row_number() OVER chain AS place,
             lead(occurred_at) OVER chain IS NULL AS last, hi.comparison_id AS held
           FROM fleet.host_changes
           LEFT JOIN (SELECT hi.host_id, c.ref_id, hi.comparison_id FROM fleet.host_images AS hi
                        JOIN fleet.comparisons AS c USING (comparison_id)) AS hi
             USING (host_id, ref_id)
           WINDOW chain AS (PARTITION BY host_id, ref_id ORDER BY occurred_at)"""
    )
    assert len(rows) > HOSTS
    # A host's first inventory is no change, so a chain may begin with any image.
    gaps = [row for row in rows if row["place"] > 1 and row["old"] != row["before"]]
    return gaps + [row for row in rows if row["last"] and row["new"] != row["held"]]

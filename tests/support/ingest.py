"""Ingest on real servers, and messages to feed it with."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from msgspec.structs import replace

from imagedrift_ingest.__main__ import EVERY, start
from imagedrift_ingest.settings import IngestSettings
from imagedrift_ingest.wiring import Periods
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.process import Process
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import (
    Alive,
    Answer,
    Found,
    Inventory,
    Listed,
    LocalImage,
    Outcome,
    Resolve,
)
from support.nats_client import jetstream
from support.operator import Operator
from support.polling import until

NOW = datetime(2026, 11, 23, 16, 20, tzinfo=UTC)
NGINX = "docker.io/library/nginx:1.27"
REDIS = "docker.io/library/redis:7"


def digest(of: object) -> str:
    """A digest that is the same for the same thing."""
    return "sha256:" + hashlib.sha256(repr(of).encode()).hexdigest()


GOOD_ROWS = f"""
    INSERT INTO fleet.hosts (host_id, site, host)
      OVERRIDING SYSTEM VALUE VALUES (1, 'fra1', 'web-1');
    INSERT INTO fleet.image_refs (ref_id, reference, registry, repository, tag, policy)
      OVERRIDING SYSTEM VALUE VALUES (1, 'r.io/a:1', 'r.io', 'a', '1', 'ask');
    INSERT INTO fleet.answers (ref_id) VALUES (1);
    INSERT INTO fleet.comparisons
      (comparison_id, ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since)
      OVERRIDING SYSTEM VALUE
      VALUES (1, 1, '{digest(1)}', ARRAY['{digest(2)}', '{digest(3)}'], 'linux/amd64', 'unknown',
              'not_checked', now());
    INSERT INTO fleet.host_images (host_id, comparison_id, since) VALUES (1, 1, now());
"""
"""One host with one image, as SQL, for the first schema and every later one."""


MISCOUNTED = """
    SELECT comparison_id, u.*, n.*
    FROM fleet.usage AS u
    FULL JOIN (
      SELECT
        comparison_id, count(*) AS hosts, count(*) FILTER (WHERE running > 0) AS running,
        count(*) FILTER (WHERE shared) AS shared,
        count(*) FILTER (WHERE shared AND running > 0) AS shared_running
      FROM fleet.host_images
      GROUP BY comparison_id
    ) AS n USING (comparison_id)
    WHERE u.hosts IS DISTINCT FROM coalesce(n.hosts, 0)
      OR u.running IS DISTINCT FROM coalesce(n.running, 0)
      OR u.shared IS DISTINCT FROM coalesce(n.shared, 0)
      OR u.shared_running IS DISTINCT FROM coalesce(n.shared_running, 0)
"""
"""The images whose kept number of hosts is not the number of their rows, in one snapshot."""


def image(reference: str = NGINX, version: object = 1, **facts: Any) -> LocalImage:
    """A local image pulled under a reference when that was at `version`."""
    given: dict[str, Any] = {
        "reference": reference,
        "image_id": digest(("id", reference, version)),
        "repo_digests": (digest((reference, version)),),
        "size": 1000,
    }
    return LocalImage(**(given | facts))


def inventory(host: str, images: Sequence[LocalImage], **facts: Any) -> Inventory:
    """The inventory of a host with these images."""
    given: dict[str, Any] = {
        "site": "fra1",
        "host": host,
        "hostname": f"{host}.example.org",
        "taken_at": NOW,
        "content": codec.content_hash(images),
        "images": tuple(images),
    }
    return Inventory(**(given | facts))


def answer(
    reference: str = NGINX, version: object = 1, outcome: Outcome | None = None, **facts: Any
) -> Answer:
    """The answer of a registry whose tag is at `version`, unless another outcome is given."""
    registry, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    found = Found(digest=digest((reference, version)))
    given: dict[str, Any] = {
        "registry": registry,
        "repository": repository,
        "tag": tag,
        "checked_at": datetime.now(UTC),  # noqa: TID251
        "outcome": outcome or found,
        "last_digest": found.digest if outcome is None else "",
    }
    return Answer(**(given | facts))


class Fleet:
    """Says things on NATS as agents and resolvers do, and hears what ingest asks."""

    def __init__(self, nats: Bus) -> None:
        self.bus = nats

    async def report(self, message: Inventory) -> None:
        """Publish an inventory."""
        await self.bus.publish(
            subjects.inventory(message.site, message.host), codec.encode(message)
        )

    async def has(self, host: str, *images: LocalImage, **facts: Any) -> None:
        """Publish what a host has."""
        await self.report(inventory(host, images, **facts))

    async def lives(self, host: str, **facts: Any) -> None:
        """Send a heartbeat."""
        now = datetime.now(UTC)  # noqa: TID251
        given = {"content": digest("?")} | facts
        sign = Alive(site="fra1", host=host, at=now, **given)
        await self.bus.say(subjects.alive("fra1", host), codec.encode(sign))

    async def answers(self, message: Answer | Any) -> None:
        """Put an answer or a description into the shared cache."""
        bucket = await self.bus.bucket(subjects.BUCKET_DIGESTS)
        await bucket.put(subjects.answer_key(message), codec.encode(message))

    async def lists(self, tags: Listed) -> None:
        """Put a list of tags into its bucket, as a resolver does."""
        bucket = await self.bus.bucket(subjects.BUCKET_TAGS)
        await bucket.put(subjects.list_key(tags), codec.encode(tags))

    async def asked(self, reference: str, lane: str = "hub") -> Resolve | None:
        """The question about a reference that waits in its lane."""
        registry, _, rest = reference.partition("/")
        repository, _, tag = rest.rpartition(":")
        question = Resolve(
            registry=registry, repository=repository, tag=tag, asked_at=NOW, fresh_since=NOW
        )
        found: Resolve | None = await self.waiting(subjects.lookup(lane, question), Resolve)
        return found

    async def waiting(self, subject: str, kind: type[Any]) -> Any:
        """The question that waits under a subject."""
        import nats.js.errors

        try:
            found = await jetstream(self.bus).get_last_msg(subjects.STREAM_LOOKUP, subject)
        except nats.js.errors.NotFoundError:
            return None
        return codec.decode(found.data or b"", kind)


@asynccontextmanager
async def ingest(
    dsn: str,
    nats_url: str,
    *,
    every: Periods = EVERY,
    **settings: Any,
) -> AsyncIterator[Process]:
    """Run the service in this process until the block ends."""
    values = IngestSettings(database_url=dsn, nats_url=(nats_url,), **settings)
    run = Process(("nats", "postgres"), SystemClock())
    task = asyncio.create_task(start(values, run, every))
    try:
        await until(lambda: run.health.is_ready or task.done(), what="ingest is ready")
        yield run
    finally:
        run.stopping.set()
        await task


@asynccontextmanager
async def fleet(nats_url: str) -> AsyncIterator[Fleet]:
    """Streams on a server, and a fleet to speak on them."""
    async with bus.connect((nats_url,), "test") as nats:
        await provision.ensure(nats)
        yield Fleet(nats)


async def explain(dsn: str, sql: str, *arguments: object) -> str:
    """The plan of a query, as text."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {sql}", *arguments)
        return "\n".join(row[0] for row in rows)
    finally:
        await connection.close()


def copies(of: LocalImage, count: int) -> Iterator[LocalImage]:
    """As many images as wanted, each under a reference of its own."""
    for number in range(count):
        yield replace(of, reference=f"docker.io/library/app{number}:1")


__all__ = [
    "GOOD_ROWS",
    "NGINX",
    "NOW",
    "Fleet",
    "Operator",
    "answer",
    "copies",
    "digest",
    "explain",
    "fleet",
    "image",
    "ingest",
    "inventory",
]

"""Images, answers and descriptions arriving at once: every verdict is what all of them say."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.core.verdict import LocalSide, RemoteSide, judge
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, Child, Described, Missing, Outcome, Unreachable
from support.ingest import NOW, answer, digest, image, inventory
from support.storing import answers_on, database_of, hosts_on, store_answers, store_inventories

WORKERS = 6
REFERENCES = [f"docker.io/library/app{n}:1" for n in range(4)]
VERSIONS = range(4)
Job = Callable[[Database], Awaitable[None]]


def delivered(subject: str, payload: bytes, seq: int) -> Delivery:
    """A message as it is delivered."""
    return Delivery(subject, payload, "S", seq, 1, NOW)


def described(reference: str, version: int, platform_of: int) -> Described:
    """The content of a version: the same platform image as another version's."""
    repository = reference.partition("/")[2].rpartition(":")[0]
    child = Child(
        platform="linux/amd64",
        digest=digest(("child", reference, platform_of)),
        config_digest=image(reference, platform_of).image_id,
    )
    return Described(
        registry="docker.io",
        repository=repository,
        digest=digest((reference, version)),
        checked_at=NOW,
        children=(child,),
    )


def report(host: str, seq: int, draw: random.Random) -> Job:
    """A host reports an image of each reference."""
    images = [image(reference, draw.choice(VERSIONS)) for reference in REFERENCES]
    payload = codec.encode(inventory(host, images))
    message = delivered(subjects.inventory("fra1", host), payload, seq)

    async def job(database: Database) -> None:
        assert await store_inventories(hosts_on(database)).handle([message]) == [Done()]

    return job


def tell(messages: list[Answer | Described], seq: int) -> Job:
    """Answers and descriptions come in one batch."""
    batch = [
        delivered(f"$KV.drift_digests.{subjects.answer_key(one)}", codec.encode(one), seq + place)
        for place, one in enumerate(messages)
    ]

    async def job(database: Database) -> None:
        assert set(await store_answers(answers_on(database)).handle(batch)) == {Done()}

    return job


def jobs(draw: random.Random) -> list[Job]:
    """Everything that happens, in an order of chance."""
    made = [report(f"h{number % 25}", number + 1, draw) for number in range(75)]
    for number in range(60):
        reference = draw.choice(REFERENCES)
        outcome: Outcome | None = draw.choice([None, None, None, Missing(), Unreachable()])
        messages: list[Answer | Described] = [answer(reference, draw.choice(VERSIONS), outcome)]
        if draw.random() < 0.5:
            version = draw.choice(VERSIONS)
            # True for ever: which image is inside depends on the version alone.
            messages.append(described(draw.choice(REFERENCES), version, version // 2))
        made.append(tell(messages, 10 * (number + 1)))
    draw.shuffle(made)
    return made


@pytest.mark.parametrize("seed", range(4))
async def test_every_verdict_is_what_the_tables_say_in_the_end(dsn: str, seed: int) -> None:
    """Concurrent images, answers and descriptions end in the right verdicts."""
    draw = random.Random(seed)
    waiting = jobs(draw)

    async def work(database: Database) -> None:
        while waiting:
            await waiting.pop()(database)

    async with connection.pool(dsn, connections=WORKERS) as pool:
        await asyncio.gather(*(work(database_of(pool)) for _ in range(WORKERS)))
        rows = await pool.fetch(
            """SELECT c.*, a.remote_digest, a.gone, a.failure, a.error, d.children
               FROM fleet.comparisons AS c
               LEFT JOIN fleet.answers AS a USING (ref_id)
               LEFT JOIN fleet.descriptions AS d ON d.digest = a.remote_digest"""
        )
    assert len(rows) > len(REFERENCES)
    wrong = [row for row in rows if (row["verdict"], row["reason"]) != expected(row)]
    assert wrong == []
    assert len({row["reason"] for row in rows}) > 1


def expected(row: asyncpg.Record) -> tuple[str, str]:
    """The verdict that the facts in the tables have."""
    local = LocalSide(
        image_id=row["image_id"],
        repo_digests=tuple(row["repo_digests"]),
        platform=row["platform"],
    )
    known = RemoteSide(
        digest=row["remote_digest"] or "", gone=bool(row["gone"]), failure=row["failure"]
    )
    children = row["children"]
    inside = msgspec.json.decode(children, type=tuple[Child, ...]) if children else ()
    judged = judge(local, known, inside)
    return judged.verdict, judged.reason

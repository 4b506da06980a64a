"""Several replicas store lists and answers: whatever the order, the same is newer in the end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.usecases.versions import FollowVersions
from imagedrift_runtime.clock import SystemClock
from imagedrift_schemas.v1 import Listed
from support.flaky_database import FlakyDatabase
from support.ingest import NOW, answer, image
from support.listing import REPOSITORY, described, tags_listed
from support.planning import POLICY, Planned
from support.storing import answers_on, database_of, lists_on, turns_on

WORKERS = 5
MINORS = 6
LISTS = 8
RUN = [f"1.{minor}.0" for minor in range(MINORS)]
Operation = Callable[[Database], Awaitable[object]]


def listed(number: int) -> Listed:
    """The list of the repository when each minor version has so many patches."""
    patches = [f"1.{minor}.{patch}" for minor in range(MINORS) for patch in range(number + 1)]
    names = [*patches, f"2.0.{number}"]
    return tags_listed(names[::-1], checked_at=NOW + timedelta(seconds=number))


def operations() -> list[Operation]:
    """Everything that comes in: lists, and the answer and the content of each tag."""
    found: list[Operation] = [storing_of(number) for number in range(1, LISTS + 1)]
    tags = sorted({name for n in range(LISTS + 1) for name in listed(n).tracks[0].names})
    found += [answering_of(n, f"{REPOSITORY}:{tag}") for n, tag in enumerate(tags, start=1)]
    return [*found, *[following] * LISTS]


def storing_of(number: int) -> Operation:
    """Store one list."""

    async def store(database: Database) -> None:
        tags = listed(number)
        stated = {(tags.registry, tags.repository): (number, tags)}
        await lists_on(database, POLICY).store(1, stated, surely_newest=True, read_to=number)

    return store


def answering_of(seq: int, reference: str) -> Operation:
    """Store what a tag points to, and what is inside."""

    async def store(database: Database) -> None:
        answers, inside = {reference: (seq, answer(reference))}, [described(reference)]
        await answers_on(database, POLICY).store(
            1, answers, inside, surely_newest=True, read_to=seq
        )

    return store


async def following(database: Database) -> None:
    """Follow versions, as one replica at a time does."""
    await FollowVersions(lists_on(database, POLICY), turns_on(database), SystemClock(), 0).run()


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_newer_is_by_the_newest_list_whatever_the_order(dsn: str, seed: int) -> None:
    """Shuffled, repeated and interrupted lists and answers end in the newest list."""
    draw = random.Random(seed)
    todo = operations()
    todo += draw.sample(todo, len(todo) // 3)
    draw.shuffle(todo)
    async with connection.pool(dsn, connections=WORKERS + 1) as pool:
        hosts = Planned(database_of(pool), outstanding=1000)
        await hosts.has("web-1", *(image(f"{REPOSITORY}:{tag}", running=1) for tag in RUN))

        async def work() -> None:
            database = FlakyDatabase(pool, draw)
            while todo:
                await todo.pop()(database)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(work())
        await following(database_of(pool))
        rows = await pool.fetch(
            "SELECT tag, newest_patch, newest_minor, newest_major FROM ops.versions"
        )
    newest = f"1.{MINORS - 1}.{LISTS}"
    assert {(*row,) for row in rows} == {
        (tag, f"{tag[:-1]}{LISTS}", newest if tag != RUN[-1] else None, f"2.0.{LISTS}")
        for tag in RUN
    }

"""Restore drills: the database, NATS or both are taken back, and the tables are the truth again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from imagedrift_ingest.__main__ import EVERY
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import Child, Described
from support.ingest import MISCOUNTED, NOW, Fleet, Operator, answer, digest, image, ingest
from support.listing import tags_listed
from support.nats_backup import back_up, restore
from support.polling import until
from support.postgres import NEWEST
from support.restoring import WAYS, take

STREAMS = (
    subjects.STREAM_INVENTORY,
    f"KV_{subjects.BUCKET_DIGESTS}",
    f"KV_{subjects.BUCKET_TAGS}",
    f"KV_{subjects.BUCKET_REGISTRIES}",
    subjects.STREAM_DEAD,
)
ROWS = """
    SELECT c.host, c.repository, c.image_id, c.remote_digest, c.verdict, c.reason
    FROM ops.comparisons AS c
"""
Row = tuple[str, str, str, str, str, str]
VERSIONS = "SELECT repository, behind, whole_until > now() FROM ops.versions"
SOON = replace(EVERY, versions=0.2)


class Truth:
    """Which version of each image a fleet has, and its tag points to; nothing is read back."""

    def __init__(self, agents: Fleet) -> None:
        self._agents = agents
        self._held: dict[str, dict[str, int]] = {}
        self._newest: dict[str, int] = {}

    async def become(self, held: dict[str, dict[str, int]], newest: dict[str, int]) -> None:
        """Change the fleet and the tags: the hosts that changed say so, and answers come."""
        changed = [host for host in held if held[host] != self._held.get(host)]
        moved = [name for name in newest if newest[name] != self._newest.get(name)]
        self._held, self._newest = self._held | held, self._newest | newest
        await self._say(changed, moved)

    async def say_again(self) -> None:
        """Everybody speaks, and every tag is asked."""
        await self._say([*self._held], [*self._newest])

    async def _say(self, hosts: list[str], names: list[str]) -> None:
        for host in hosts:
            versions = self._held[host].items()
            await self._agents.has(host, *(image(reference(n), v) for n, v in versions))
        for name in names:
            version = self._newest[name]
            await self._agents.answers(answer(reference(name), version))
            index = digest((reference(name), version))
            inside = Child(
                platform="linux/amd64",
                digest=digest(("manifest", index)),
                config_digest=digest(("id", reference(name), version)),
            )
            described = Described(
                registry="docker.io",
                repository=name,
                digest=index,
                checked_at=NOW,
                children=(inside,),
            )
            await self._agents.answers(described)
            tags = [str(number) for number in range(version + 1, 0, -1)]
            await self._agents.lists(tags_listed(tags, repository=f"docker.io/{name}"))

    def versions(self) -> set[tuple[str, int, bool]]:
        """How many versions each repository that hosts run has after the first one."""
        held = {name for versions in self._held.values() for name in versions}
        return {(name, self._newest[name], True) for name in held}

    def rows(self) -> set[Row]:
        """Every row that has to be there."""
        return {
            (
                host,
                name,
                digest(("id", reference(name), version)),
                digest((reference(name), self._newest[name])),
                *self._verdict(name, version),
            )
            for host, held in self._held.items()
            for name, version in held.items()
        }

    def _verdict(self, name: str, version: int) -> tuple[str, str]:
        if version == self._newest[name]:
            return "current", "digest_match"
        return "outdated", "platform_differs"


def reference(name: str) -> str:
    """The tag of an image."""
    return f"docker.io/{name}:1"


@asynccontextmanager
async def running(on: bool, postgres: PostgresServer, nats: NatsServer) -> AsyncIterator[None]:
    """Ingest, or none."""
    async with AsyncExitStack() as stack:
        if on:
            await stack.enter_async_context(ingest(postgres.dsn(), nats.url, every=SOON))
        yield


async def equal(operator: Operator, truth: Truth) -> None:
    """Wait until the tables are the truth, and see that the counts are those of the rows."""
    told: set[tuple[object, ...]] = set()

    async def equals() -> bool:
        nonlocal told
        try:
            told = {tuple(row.values()) for row in await operator.ask(ROWS)}
            told |= {tuple(row.values()) for row in await operator.ask(VERSIONS)}
        except (OSError, asyncpg.PostgresError):
            return False
        return told == truth.rows() | truth.versions()

    try:
        await until(equals, what="the tables are the truth")
    except AssertionError as error:
        only = told ^ (truth.rows() | truth.versions())
        raise AssertionError(f"{error}; only in one of the two: {only}") from None
    assert await operator.ask(MISCOUNTED) == []


FIRST = {"a": {"lib/x": 1, "lib/y": 1}, "b": {"lib/x": 1}}
SECOND = {"b": {"lib/x": 2}, "c": {"lib/z": 1, "lib/x": 1}}
THIRD = {"a": {"lib/y": 3, "lib/z": 2}, "d": {"lib/x": 3}}


@pytest.mark.parametrize("on", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_database_taken_back_is_brought_to_what_nats_has(
    postgres: PostgresServer,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    tmp_path: Path,
    way: str,
    on: bool,
) -> None:
    """Ingest brings a restored database to the state of NATS by itself."""
    truth = Truth(agents)
    async with AsyncExitStack() as first:
        await first.enter_async_context(ingest(postgres.dsn(), fresh_nats.url, every=SOON))
        await truth.become(FIRST, {"lib/x": 1, "lib/y": 1, "lib/z": 1})
        await equal(operator, truth)
        backup = await asyncio.to_thread(take, way, postgres, tmp_path)
        await truth.become(SECOND, {"lib/x": 2})
        await truth.become(THIRD, {"lib/y": 3, "lib/x": 3})
        await equal(operator, truth)
        if not on:
            await first.aclose()
        await asyncio.to_thread(backup.back, postgres)
        async with running(not on, postgres, fresh_nats):
            await equal(operator, truth)
            await truth.become({"b": {"lib/x": 3, "lib/y": 1}}, {"lib/z": 2})
            await equal(operator, truth)


Step = Callable[[], Awaitable[None]]


# Which database it is matters to the dump, above.
@pytest.mark.parametrize("model", [NEWEST], indirect=True)
@pytest.mark.parametrize("on", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize(
    ("database", "nats"), [(0, 1), (1, 2), (2, 1), (1, 1)], ids=["nats", "older", "newer", "same"]
)
async def test_nats_taken_back_is_told_again_by_the_fleet(
    postgres: PostgresServer,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    tmp_path: Path,
    database: int,
    nats: int,
    on: bool,
) -> None:
    """After a restore of NATS the fleet's next reports make the tables the truth."""
    truth = Truth(agents)
    back: list[Step] = []

    async def take_backups(moment: int) -> None:
        if database == moment:
            taken = await asyncio.to_thread(take, "dump", postgres, tmp_path)
            back.append(lambda: asyncio.to_thread(taken.back, postgres))
        if nats == moment:
            streams = [await back_up(agents.bus, stream) for stream in STREAMS]

            async def again() -> None:
                for stream in streams:
                    await restore(agents.bus, stream)

            back.append(again)

    async with AsyncExitStack() as first:
        await first.enter_async_context(ingest(postgres.dsn(), fresh_nats.url, every=SOON))
        await truth.become(FIRST, {"lib/x": 1, "lib/y": 1, "lib/z": 1})
        await equal(operator, truth)
        await take_backups(1)
        await truth.become(SECOND, {"lib/x": 2})
        await equal(operator, truth)
        await take_backups(2)
        await truth.become(THIRD, {"lib/y": 3, "lib/x": 3})
        await equal(operator, truth)
        if not on:
            await first.aclose()
        for step in back:
            await step()
        async with running(not on, postgres, fresh_nats):
            await truth.say_again()
            await equal(operator, truth)
            await truth.become({"b": {"lib/x": 3, "lib/y": 1}}, {"lib/z": 2})
            await equal(operator, truth)

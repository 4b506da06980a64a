"""A tag moves that a fleet has: the pages show it, and each route tells it once.

Ingest, the pages and the notifier are processes of their own. Each in turn, and at last all of
them at once, are killed between the registry's answer and the message, and started again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg
import httpx

from imagedrift_bench.flip import publish_answer
from imagedrift_bench.seed import seed
from imagedrift_ingest.adapters.postgres.turns import LEASE_S
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_runtime.nats.topology import ACK_WAIT_S
from imagedrift_sandbox.fleet.invented import VERSIONS, InventedFleet
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.stack import Stack
from imagedrift_schemas import subjects
from support.notifier import Receiver, begun, receiver, write_routes
from support.polling import until

HOSTS: Final = 2_000
IMAGES: Final = 5
REFERENCES: Final = 8
INGEST, PAGES, NOTIFIER = "imagedrift-ingest", "imagedrift-dashboard", "imagedrift-notifier"
VICTIMS: Final = ((), (INGEST,), (PAGES,), (NOTIFIER,), (INGEST, PAGES, NOTIFIER))
"""Whom to kill as each tag moves: at first nobody."""
ROUTES: Final = ("all", "part")
CLAIMED: Final = "SELECT count(*) FROM notify.claims WHERE target = $1"
START_S: Final = 10.0
"""What a busy machine takes to start the programs, and to do the rest."""
SHOWN_WITHIN_S: Final = ACK_WAIT_S + START_S
TOLD_WITHIN_S: Final = ACK_WAIT_S + LEASE_S + START_S


class Fleet:
    """A fleet with its programs, each of which can be killed."""

    def __init__(
        self,
        invented: InventedFleet,
        stack: Stack,
        database: asyncpg.Connection,
        bucket: Bucket,
        routes: Path,
    ) -> None:
        self.invented = invented
        self._stack = stack
        self._db = database
        self._bucket = bucket
        port = free_port()
        self.page = f"http://{LOOPBACK}:{port}"
        self._starts: dict[str, Callable[[], Awaitable[object]]] = {
            INGEST: stack.start_ingest,
            PAGES: lambda: stack.start_dashboard(port),
            NOTIFIER: lambda: stack.start_notifier(str(routes)),
        }

    async def start(self) -> None:
        """Start each program, and wait until the notifier knows what was due before."""
        for start in self._starts.values():
            await start()
        await begun(self._stack.dsn)

    async def move(self, number: int, version: int) -> None:
        """Let the registry have another version under a tag that all hosts have."""
        await publish_answer(self._bucket, self.invented, number, version)

    async def is_claimed(self, digest: str) -> bool:
        """Tell whether each route has claimed what it tells of a digest."""
        return bool(await self._db.fetchval(CLAIMED, digest) == len(ROUTES))

    async def kill(self, names: Sequence[str]) -> None:
        """Kill programs, and start them again."""
        victims = [each for each in self._stack.services if each.name in names]
        for victim in victims:
            victim.kill()
            self._stack.services.remove(victim)
        await asyncio.gather(*(self._starts[victim.name]() for victim in victims))


@asynccontextmanager
async def running(invented: InventedFleet, home: Path, receiving: Receiver) -> AsyncIterator[Fleet]:
    """Run the programs over a fleet that is stored, with two routes to the receiver."""
    tables = dict.fromkeys(ROUTES, 'gather = "1s"')
    routes = write_routes(home, receiving.url, **tables)
    async with (
        Stack.running(home / "stack", durable=True) as stack,
        bus.connect([stack.nats.url], "test") as nats,
    ):
        database = await asyncpg.connect(stack.dsn)
        await seed(database, invented)
        bucket = await nats.bucket(subjects.BUCKET_DIGESTS)
        fleet = Fleet(invented, stack, database, bucket, routes)
        await fleet.start()
        yield fleet
        await database.close()


async def test_a_moved_tag_is_shown_and_told_once_on_each_route_whoever_is_killed(
    tmp_path: Path,
) -> None:
    """Ingest, the pages, the notifier and then all three are killed as a tag moves."""
    invented = InventedFleet(HOSTS, IMAGES, REFERENCES)
    async with receiver() as receiving, running(invented, tmp_path, receiving) as fleet:
        digests = [
            await _move(fleet, receiving, number, victims)
            for number, victims in enumerate(VICTIMS, start=1)
        ]
    for digest in digests:
        assert count_by_route(receiving, digest) == dict.fromkeys(ROUTES, 1), digest


async def _move(fleet: Fleet, receiving: Receiver, number: int, victims: Sequence[str]) -> str:
    """Move a tag, kill somebody, and wait until the page shows it and each route tells it."""
    invented = fleet.invented
    digest = invented.digest(number, VERSIONS + 1)
    path = f"/image?reference={quote(invented.reference(number), safe='')}"
    async with (
        httpx.AsyncClient(base_url=fleet.page, timeout=30) as viewer,
        viewer.stream("GET", "/events") as events,
    ):
        await fleet.move(number, VERSIONS + 1)
        if victims == (NOTIFIER,):
            await until(lambda: fleet.is_claimed(digest), what="both routes claim it")
        await fleet.kill(victims)
        if PAGES not in victims:
            async with asyncio.timeout(TOLD_WITHIN_S):
                await anext(line async for line in events.aiter_lines() if "data:" in line)
        await until(
            lambda: shows(viewer, path, digest),
            what=f"the page shows it after {victims}",
            within_s=SHOWN_WITHIN_S,
        )
    await until(
        lambda: count_by_route(receiving, digest).keys() == set(ROUTES),
        what=f"each route tells it after {victims}",
        within_s=TOLD_WITHIN_S,
    )
    return digest


async def shows(viewer: httpx.AsyncClient, path: str, digest: str) -> bool:
    """Tell whether a page has a digest."""
    return digest in (await viewer.get(path)).text


def count_by_route(receiving: Receiver, digest: str) -> Counter[str]:
    """Count the messages of each route about a digest; one that is repeated has the same id."""
    messages = {
        (each.read["data"]["route"], each.id)
        for each in receiving.received
        if any(item["target"] == digest for item in each.items)
    }
    return Counter(route for route, _ in messages)

"""P4: whoever dies, at whatever moment, the tables end up equal to the truth.

Each blow falls while hosts go on reporting: after a random number of acknowledged reports, not
after a time. Whoever was killed is started again; a server on the data that it left behind.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from imagedrift_runtime import layout
from imagedrift_sandbox.registry.server import SandboxRegistry
from support.fleet import System, system
from support.operator import wait_for
from support.truth import Row, Truth

HOSTS = 30
IMAGES = 20
REPOSITORIES = 60
FRESHNESS_S = 2
REPORTS_A_BLOW = 40
AGENT = "agent"
"""The one host that a real agent reports, from a list; the others are played by the test."""


@pytest.fixture
def truth(registry: SandboxRegistry) -> Truth:
    """The fleet, the same at the start of every run."""
    hosts = [AGENT, *(f"host-{number}" for number in range(1, HOSTS))]
    chance = random.Random(4)
    return Truth(registry, chance, hosts=hosts, repositories=REPOSITORIES, images=IMAGES)


@pytest.fixture
async def world(registry: SandboxRegistry, truth: Truth, tmp_path: Path) -> AsyncIterator["World"]:
    """The system with two ingest replicas, and the fleet that it is told of."""
    async with system(tmp_path, registry, freshness_s=FRESHNESS_S, ingests=2) as running:
        world = World(running, truth)
        await world.begin()
        yield world


class World:
    """A fleet that reports to a system that is being hit."""

    def __init__(self, running: System, truth: Truth) -> None:
        self._running = running
        self._stack = running.stack
        self._truth = truth
        self._list = running.stack.home / "images.txt"
        self._chance = random.Random(44)

    async def begin(self) -> None:
        """Let every host report once."""
        await self._what_the_dead_held_comes_again_soon()
        self._truth.write_list(AGENT, self._list)
        await self._start_agent()
        for host in self._truth.hosts:
            await self._report(host)

    async def suffer(self, blow: Callable[[], Awaitable[None]]) -> None:
        """Let hosts and tags change, and the blow fall at some moment meanwhile."""
        struck = asyncio.Event()
        moment = self._chance.randrange(REPORTS_A_BLOW)

        async def change() -> None:
            for number in range(REPORTS_A_BLOW):
                if number == moment:
                    struck.set()
                await self._report(self._truth.a_host_changes())
                if number % 8 == 0:
                    self._truth.a_tag_moves()

        async def strike() -> None:
            await struck.wait()
            await blow()

        await asyncio.gather(change(), strike())

    async def an_ingest_dies(self) -> None:
        """Kill one of two replicas."""
        self._kill("imagedrift-ingest")
        await self._stack.start_ingest()

    async def the_resolver_dies(self) -> None:
        """Kill the only resolver."""
        self._kill("imagedrift-resolver")
        await self._stack.start_resolver()

    async def the_agent_dies(self) -> None:
        """Kill the agent, and change its host before it is back."""
        self._kill("imagedrift-agent")
        await self._start_agent()

    async def nats_dies(self) -> None:
        """Kill the server and start it on its store."""
        self._stack.nats.kill()
        await self._stack.nats.restart()

    async def postgres_dies(self) -> None:
        """Stop the server without a checkpoint, as a power cut would, and let it recover."""
        assert self._stack.postgres.child is not None
        self._stack.postgres.child.signal(signal.SIGQUIT)
        await self._stack.postgres.restart()

    async def the_tables_equal_the_truth(self) -> bool:
        """Tell whether every host's newest images are stored, each with a fresh, right verdict."""
        rows = await self._running.operator.ask(
            "SELECT host, reference, image_id, remote_digest, verdict FROM ops.comparisons "
            "WHERE NOT stale AND error IS NULL AND checked_at IS NOT NULL"
        )
        return {Row(**row) for row in rows} == self._truth.rows(listed=AGENT)

    async def difference(self) -> set[Row]:
        """What is stored and not true, or true and not stored."""
        rows = await self._running.operator.ask(
            "SELECT host, reference, image_id, remote_digest, verdict FROM ops.comparisons"
        )
        return {Row(**row) for row in rows} ^ self._truth.rows(listed=AGENT)

    async def _report(self, host: str) -> None:
        if host == AGENT:
            self._truth.write_list(AGENT, self._list)
        else:
            await self._running.hosts.have(host, *self._truth.images_of(host))

    async def _start_agent(self) -> None:
        await self._stack.start_agent(
            host=AGENT,
            source=f"list:{self._list}",
            interval_s=1,
            IMAGEDRIFT_RETURN_WITHIN="0.5",
        )

    def _kill(self, name: str) -> None:
        victim = next(each for each in self._stack.services if each.name == name)
        victim.kill()
        self._stack.services.remove(victim)

    async def _what_the_dead_held_comes_again_soon(self) -> None:
        """Shorten the time after which what a consumer did not acknowledge is delivered again."""
        js = self._running.hosts.bus.js
        for thing in layout.layout():
            if thing.kind == "consumer":
                stream, consumer = thing.name.split("/")
                found = await js.consumer_info(stream, consumer)
                await js.add_consumer(stream, found.config.evolve(ack_wait=3))


async def test_p4_whoever_dies_the_tables_end_up_equal_to_the_truth(world: World) -> None:
    """Each service and server is killed twice while everything changes, and nothing is lost."""
    blows = 2 * [
        world.an_ingest_dies,
        world.the_resolver_dies,
        world.the_agent_dies,
        world.nats_dies,
        world.postgres_dies,
    ]
    random.Random(444).shuffle(blows)

    for blow in blows:
        await world.suffer(blow)

    try:
        await wait_for(world.the_tables_equal_the_truth, what="the tables equal the truth")
    except AssertionError as error:
        raise AssertionError(f"{error}; they differ in {await world.difference()}") from None

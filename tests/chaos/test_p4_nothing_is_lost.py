"""P4: any service or server may die at any moment, and the tables end up equal to the truth.

Hosts go on reporting during each fault. Some report for the last time then, so that no later report
makes up for a lost one. A killed service is started again, a killed server on its data.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import pytest

from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_schemas import subjects
from support.fleet import System, system
from support.polling import until
from support.truth import Row, Truth

HOSTS = 30
IMAGES = 20
REPOSITORIES = 60
FRESHNESS_S = 2
REPORTS_A_FAULT = 30
AGENT = "agent"
"""The one host with a real agent, which reads a list; the test reports for the others."""


@pytest.fixture
def truth(registry: SandboxRegistry) -> Truth:
    """The fleet, the same at the start of every run."""
    hosts = [AGENT, *(f"host-{number}" for number in range(1, HOSTS))]
    chance = random.Random(4)
    return Truth(registry, chance, hosts=hosts, repositories=REPOSITORIES, images=IMAGES)


@pytest.fixture
async def chaos(
    registry: SandboxRegistry, truth: Truth, tmp_path: Path
) -> AsyncIterator["ChaosSystem"]:
    """A system with two ingest replicas, and a fleet that reports to it."""
    async with system(tmp_path, registry, freshness_s=FRESHNESS_S, ingests=2) as running:
        chaos = ChaosSystem(running, truth)
        await chaos.begin()
        yield chaos


class ChaosSystem:
    """A system in which faults happen, and a fleet that reports to it."""

    def __init__(self, running: System, truth: Truth) -> None:
        self._running = running
        self._stack = running.stack
        self._truth = truth
        self._list = running.stack.home / "images.txt"
        self._chance = random.Random(44)
        self._done: set[str] = set()

    async def begin(self) -> None:
        """Let every host report once."""
        self._truth.write_list(AGENT, self._list)
        await self._start_agent()
        for host in self._truth.hosts:
            await self._report(host)

    async def run_during(self, fault: "Fault", last: Sequence[str]) -> None:
        """Run a fault while the fleet changes; these hosts report for the last time meanwhile."""
        self._done.update(last)
        going_on = [host for host in self._truth.hosts if host not in self._done]
        await asyncio.gather(fault(last), self._change(going_on, REPORTS_A_FAULT))

    async def all_ingests_die(self, last: Sequence[str]) -> None:
        """Kill both replicas when inventories are delivered and cannot be stored yet."""
        blocker = await asyncpg.connect(self._stack.dsn)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE fleet.host_state")
            await self._report_last(last)
            await until(self._all_is_delivered, what="the inventories are delivered")
            self._kill("imagedrift-ingest")
            self._kill("imagedrift-ingest")
        await blocker.close()
        await asyncio.gather(self._stack.start_ingest(), self._stack.start_ingest())

    async def the_resolver_dies(self, last: Sequence[str]) -> None:
        """Kill the only resolver while it has questions."""
        await self._report_last(last)
        self._kill("imagedrift-resolver")
        await self._stack.start_resolver()

    async def the_agent_dies(self, last: Sequence[str]) -> None:
        """Kill the agent, and change its host before it is back."""
        self._kill("imagedrift-agent")
        await self._report_last(last)
        await self._start_agent()

    async def nats_dies(self, last: Sequence[str]) -> None:
        """Kill the server between two reports, and start it on its store."""
        await self._report_last(last[:1])
        self._stack.nats.kill()
        await asyncio.gather(self._stack.nats.restart(), self._report_last(last[1:]))

    async def postgres_dies(self, last: Sequence[str]) -> None:
        """Stop the server without a checkpoint, as a power cut would, and let it recover."""
        self._stack.postgres.kill()
        await self._report_last(last)
        await until(self._all_is_delivered, what="inventories arrive while it is dead")
        await self._stack.postgres.restart()

    async def the_tables_equal_the_truth(self) -> bool:
        """Tell whether every host's newest images are stored, each with a fresh, right verdict."""
        rows = await self._running.operator.ask(
            "SELECT host, reference, image_id, remote_digest, verdict FROM ops.comparisons "
            "WHERE NOT stale AND error IS NULL AND checked_at IS NOT NULL"
        )
        return {Row(**row) for row in rows} == self._truth.rows(listed=AGENT)

    async def difference(self) -> set[Row]:
        """Return the rows that are stored and not true, or true and not stored."""
        rows = await self._running.operator.ask(
            "SELECT host, reference, image_id, remote_digest, verdict FROM ops.comparisons"
        )
        return {Row(**row) for row in rows} ^ self._truth.rows(listed=AGENT)

    async def _change(self, hosts: Sequence[str], times: int) -> None:
        """Let hosts change and report, and tags move."""
        for number in range(times if hosts else 0):
            if number % 8 == 0:
                self._truth.move_a_tag()
            await self._report_change(self._chance.choice(hosts))

    async def _report_last(self, hosts: Sequence[str]) -> None:
        for host in hosts:
            await self._report_change(host)

    async def _report_change(self, host: str) -> None:
        self._truth.change(host)
        await self._report(host)

    async def _report(self, host: str) -> None:
        if host == AGENT:
            self._truth.write_list(AGENT, self._list)
        else:
            await self._running.hosts.have(host, *self._truth.images_of(host))

    async def _all_is_delivered(self) -> bool:
        lag = await self._running.hosts.bus.lag(subjects.STREAM_INVENTORY, subjects.CONSUMER_INGEST)
        return lag.pending == 0

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


Fault = Callable[[Sequence[str]], Awaitable[None]]


async def test_p4_whoever_dies_the_tables_end_up_equal_to_the_truth(
    chaos: ChaosSystem, truth: Truth
) -> None:
    """Nothing is lost when each service and server is killed twice while everything changes."""
    faults: list[Fault] = [
        chaos.all_ingests_die,
        chaos.the_resolver_dies,
        chaos.nats_dies,
        chaos.postgres_dies,
    ]
    order = [*faults, chaos.the_agent_dies, *faults]
    random.Random(444).shuffle(order)
    hosts = [*truth.hosts[1:], AGENT]
    for number, fault in enumerate([*order, chaos.the_agent_dies]):
        await chaos.run_during(fault, hosts[3 * number :][:3])

    try:
        await until(chaos.the_tables_equal_the_truth, what="the tables equal the truth")
    except AssertionError as error:
        raise AssertionError(f"{error}; they differ in {await chaos.difference()}") from None

"""A thousand agents lose their NATS together, and do not come back together."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from imagedrift_agent.core.inventory import ImageList
from imagedrift_agent.core.records import Event
from imagedrift_agent.core.snapshot import Snapshot
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Inventory, LocalImage
from support.agents import RealPublisher, running_agent
from support.nats_client import jetstream

AGENTS = 1000
WINDOW_S = 8.0
AWAY_S = 6.0
WITHIN_S = 120.0


class SharedHost:
    """A source of images that all agents share, so that all change at once."""

    def __init__(self) -> None:
        self.images = 1
        self.changed = asyncio.Event()

    async def take(self) -> Snapshot:
        """Return the images."""
        images = tuple(
            LocalImage(reference=f"docker.io/library/app:{n}", image_id=f"sha256:{n:064x}")
            for n in range(self.images)
        )
        return Snapshot(image_list=ImageList(images, {}), engine="docker")

    async def changes(self) -> AsyncIterator[Event | None]:
        """Yield the one change."""
        yield None
        await self.changed.wait()
        yield Event(type="image", action="pull")
        await asyncio.Event().wait()

    def change(self) -> None:
        """Give every host one more image."""
        self.images += 1
        self.changed.set()


async def test_a_thousand_agents_return_spread_out_and_none_is_lost(
    fresh_nats: NatsServer,
) -> None:
    """Each host's newest inventory arrives once, and no second brings half of them."""
    host = SharedHost()
    async with AsyncExitStack() as fleet:
        connection = await fleet.enter_async_context(bus.connect([fresh_nats.url], "test"))
        await provision.ensure(connection)
        for number in range(AGENTS):
            name = f"host-{number:04}"
            agent = running_agent(
                host, RealPublisher(fresh_nats.url, name), host=name, return_within_s=WINDOW_S
            )
            await fleet.enter_async_context(agent)
        before = await stored(connection, AGENTS)
        await fresh_nats.stop()
        host.change()
        await asyncio.sleep(AWAY_S)  # how long NATS is away is what is tried here
        await fresh_nats.restart()
        async with bus.connect([fresh_nats.url], "test") as again:
            after = await stored(again, 2 * AGENTS)
            arrivals = await arrived_at(again, range(AGENTS + 1, 2 * AGENTS + 1))
            newest = await newest_contents(again)

    per_second = Counter(int(at - min(arrivals)) for at in arrivals)
    assert (before, after) == (AGENTS, 2 * AGENTS)
    assert len(newest) == AGENTS
    assert len(set(newest.values())) == 1
    assert max(per_second.values()) < AGENTS / 2, sorted(per_second.items())
    assert max(arrivals) - min(arrivals) > WINDOW_S / 4, sorted(per_second.items())


async def stored(connection: Bus, at_least: int) -> int:
    """Wait for this many inventories, and return how many were ever stored."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        info = await jetstream(connection).stream_info(subjects.STREAM_INVENTORY)
        count = int(info.state.last_seq)
        if count >= at_least or time.monotonic() > deadline:
            return count
        await asyncio.sleep(0.1)


async def arrived_at(connection: Bus, sequences: range) -> list[float]:
    """Return the times at which the stream stored its messages."""
    messages = [
        await jetstream(connection).get_msg(subjects.STREAM_INVENTORY, sequence)
        for sequence in sequences
    ]
    return [message.time.timestamp() for message in messages]


async def newest_contents(connection: Bus) -> dict[str, str]:
    """Return the content of each host's message in the stream."""
    found = {}
    info = await jetstream(connection).stream_info(subjects.STREAM_INVENTORY, subjects_filter=">")
    for subject in info.state.subjects:
        message = await jetstream(connection).get_last_msg(subjects.STREAM_INVENTORY, subject)
        inventory = codec.decode(message.data, Inventory)
        found[inventory.host] = inventory.content
    return found

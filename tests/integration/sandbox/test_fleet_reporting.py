"""The simulated fleet reports over NATS what was counted as reported."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from imagedrift_runtime import bus, streams
from imagedrift_sandbox.fleet import (
    Fleet,
    fleet_floods,
    fleet_lives,
    fleet_reports,
    invented_catalogue,
)
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, Inventory

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
FLEET = Fleet(invented_catalogue(300), hosts=400, images_per_host=10, sites=("a", "b"))


@pytest.fixture
async def connection(fresh_nats: NatsServer) -> AsyncIterator[bus.Bus]:
    """A connection to a server of the test's own, with the streams."""
    async with bus.connect([fresh_nats.url], "test") as opened:
        await streams.ensure(opened)
        yield opened


async def stored(connection: bus.Bus, number: int) -> Inventory:
    """What the stream has of a host."""
    subject = subjects.inventory(*FLEET.host(number))
    message = await connection.js.get_last_msg(subjects.STREAM_INVENTORY, subject)
    return codec.decode(message.data, Inventory)


@pytest.mark.parametrize("say", [fleet_reports, fleet_floods])
async def test_every_host_is_in_the_stream(connection: bus.Bus, say: object) -> None:
    """As many are stored as were counted, each as the fleet has it."""
    assert callable(say)
    count = await say(connection, FLEET, AT)
    info = await connection.js.stream_info(subjects.STREAM_INVENTORY)

    assert count == info.state.messages == FLEET.hosts
    assert await stored(connection, 399) == FLEET.inventory(399, AT)


async def test_some_hosts_report_alone(connection: bus.Bus) -> None:
    """Only the numbers given are said, and progress hears of each."""
    heard: list[int] = []
    count = await fleet_reports(connection, FLEET, AT, numbers=[3, 5], progress=heard.append)
    info = await connection.js.stream_info(subjects.STREAM_INVENTORY)

    assert (count, info.state.messages, heard) == (2, 2, [1, 1])


async def test_reports_survive_a_crash_of_the_server(
    connection: bus.Bus, fresh_nats: NatsServer
) -> None:
    """What is counted as reported is stored, although the server died in between."""
    under_way = asyncio.Event()
    reporting = asyncio.create_task(
        fleet_reports(connection, FLEET, AT, progress=lambda _: under_way.set())
    )
    await asyncio.wait_for(under_way.wait(), 20)
    unfinished = not reporting.done()
    fresh_nats.kill()
    await fresh_nats.restart()
    count = await asyncio.wait_for(reporting, 60)
    info = await connection.js.stream_info(subjects.STREAM_INVENTORY)

    assert unfinished
    assert count == info.state.messages == FLEET.hosts


async def test_heartbeats_of_all_hosts_are_heard(connection: bus.Bus) -> None:
    """Each host's heartbeat arrives once, with its content."""
    heard: dict[str, str] = {}
    complete = asyncio.Event()

    async def hear(_subject: str, payload: bytes) -> None:
        alive = codec.decode(payload, Alive)
        heard[alive.host] = alive.content
        if len(heard) == FLEET.hosts:
            complete.set()

    await connection.listen(subjects.ALIVE_ALL, hear)
    sent = await fleet_lives(connection, FLEET, AT)
    await asyncio.wait_for(complete.wait(), 20)

    assert sent == FLEET.hosts
    assert heard["host-000007"] == FLEET.inventory(7, AT).content

"""NATS goes away and comes back: the newest inventory arrives, once; nothing else does."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from imagedrift_agent.adapters.state_folder import StateFolder
from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.engine import ScriptedEngine, populate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive
from support.agents import RealPublisher, running_agent
from support.polling import until
from support.publishing_agent import change, is_confirmed, source_on, stored_after


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of one image."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=1, containers=0)
        yield serving


@pytest.fixture
async def nats(fresh_nats: NatsServer) -> NatsServer:
    """A NATS server with our streams, free to be stopped."""
    async with bus.connect([fresh_nats.url], "test") as connection:
        await provision.ensure(connection)
    return fresh_nats


async def test_ten_changes_without_nats_are_one_inventory(
    engine: ScriptedEngine, nats: NatsServer, tmp_path: Path
) -> None:
    """The stream gets the inventory of before, then the newest, and never one between them."""
    memory = StateFolder(str(tmp_path))
    async with running_agent(source_on(engine), RealPublisher(nats.url), memory):
        await until(lambda: is_confirmed(memory), "the first is confirmed")
        await nats.stop()
        for count in range(2, 12):
            change(engine, count)
            await until(partial(sees, memory, count), f"image {count} is seen")
        await nats.restart()
        await until(lambda: is_confirmed(memory), "the newest is confirmed")
        stored, last = await stored_after(nats, 2)

    assert stored == 2
    assert len(last.images) == 11


async def test_a_restart_neither_repeats_nor_loses(
    engine: ScriptedEngine, nats: NatsServer, tmp_path: Path
) -> None:
    """A confirmed inventory is not sent again; one that changed meanwhile is."""
    memory = StateFolder(str(tmp_path))
    async with running_agent(source_on(engine), RealPublisher(nats.url), memory):
        await until(lambda: is_confirmed(memory), "the first is confirmed")
    heartbeats = await heartbeats_of_a_run(engine, nats, memory)
    unchanged, _ = await stored_after(nats, 1)
    change(engine, 5)
    async with running_agent(source_on(engine), RealPublisher(nats.url), memory):
        changed, last = await stored_after(nats, 2)

    assert (unchanged, changed) == (1, 2)
    assert heartbeats[0].content != last.content
    assert len(last.images) == 5


async def test_an_agent_starts_without_nats(
    engine: ScriptedEngine, nats: NatsServer, tmp_path: Path
) -> None:
    """The agent looks, keeps what it found, and publishes it when NATS is there."""
    memory = StateFolder(str(tmp_path))
    await nats.stop()
    async with running_agent(source_on(engine), RealPublisher(nats.url), memory):
        await until(lambda: kept_images(memory) == 1, "the image is seen")
        await nats.restart()
        stored, _ = await stored_after(nats, 1)

    assert stored == 1


async def test_another_nats_is_told_everything(
    engine: ScriptedEngine, nats: NatsServer, tmp_path: Path
) -> None:
    """The confirmation of one server says nothing about another: the conversation begins afresh."""
    memory = StateFolder(str(tmp_path))
    async with running_agent(source_on(engine), RealPublisher(nats.url), memory, where="one"):
        await stored_after(nats, 1)
        await until(lambda: is_confirmed(memory), "it is confirmed")
    async with running_agent(source_on(engine), RealPublisher(nats.url), memory, where="two"):
        stored, _ = await stored_after(nats, 2)

    assert stored == 2


def sees(memory: StateFolder, images: int) -> bool:
    """Tell whether the newest kept inventory has that many images."""
    return kept_images(memory) == images


def kept_images(memory: StateFolder) -> int:
    """How many images the newest kept inventory has."""
    kept = memory.load()
    return len(kept.newest.images) if kept.newest else 0


async def heartbeats_of_a_run(
    engine: ScriptedEngine, nats: NatsServer, memory: StateFolder
) -> list[Alive]:
    """Run the agent until it says that it lives and return what it said."""
    heartbeats: list[Alive] = []

    async def hear(_: str, payload: bytes) -> None:
        heartbeats.append(codec.decode(payload, Alive))

    async with bus.connect([nats.url], "test") as connection:
        await connection.listen(subjects.ALIVE_ALL, hear)
        async with running_agent(source_on(engine), RealPublisher(nats.url), memory):
            await until(lambda: bool(heartbeats), "a heartbeat")
    return heartbeats

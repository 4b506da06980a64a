"""NATS goes away and comes back: the newest inventory arrives, once; nothing else does."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.state_folder import StateFolder
from imagedrift_agent.core.address import Address
from imagedrift_agent.core.messages import fingerprint
from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.engine import ScriptedEngine, populate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import decompressed
from imagedrift_schemas.v1 import Alive, Inventory
from support.agents import RealPublisher, running_agent
from support.nats_client import jetstream
from support.polling import until

SUBJECT = subjects.inventory("test", "h1")


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


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"max_bytes": 10}, "maximum bytes exceeded"),
        ({"max_msgs_per_subject": 1, "discard_new_per_subject": True}, "keeps the one before"),
    ],
    ids=["full", "made by somebody else"],
)
async def test_an_inventory_that_a_stream_refuses_is_not_taken_for_stored(
    engine: ScriptedEngine,
    fresh_nats: NatsServer,
    tmp_path: Path,
    config: dict[str, Any],
    words: str,
) -> None:
    """The host says in its signs of life why nothing newer is stored, and tries again."""
    memory, heartbeats = StateFolder(str(tmp_path)), list[Alive]()

    async def heard(_: str, payload: bytes) -> None:
        heartbeats.append(codec.decode(payload, Alive))

    async with bus.connect([fresh_nats.url], "test") as connection:
        stream, subject = subjects.STREAM_INVENTORY, subjects.INVENTORY_ALL
        await jetstream(connection).add_stream(
            name=stream, subjects=[subject], discard="new", **config
        )
        if "max_bytes" not in config:
            await connection.publish(SUBJECT, b"old")
        await connection.listen(subjects.alive("test", "h1"), heard)
        async with running_agent(source_on(engine), RealPublisher(fresh_nats.url), memory):
            await until(lambda: any(words in beat.degraded for beat in heartbeats), "it is said")

    assert not memory.load().confirmed.fingerprint


async def test_a_restart_neither_repeats_nor_loses(
    engine: ScriptedEngine, nats: NatsServer, tmp_path: Path
) -> None:
    """A confirmed inventory is not sent again; one that changed meanwhile is."""
    memory = StateFolder(str(tmp_path))
    async with running_agent(source_on(engine), RealPublisher(nats.url), memory):
        await until(lambda: is_confirmed(memory), "the first is confirmed")
    heartbeats = await beats_of_a_run(engine, nats, memory)
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
    """It looks, keeps what it found, and says it when NATS is there."""
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


async def test_a_host_whose_inventory_is_too_large_says_what_fits(
    engine: ScriptedEngine, tmp_path: Path
) -> None:
    """Images that do not fit even compressed are counted; heartbeats are of the stored ones."""
    memory = StateFolder(str(tmp_path))
    with NatsServer.start_sync(config_extra="max_payload: 4000") as small:
        async with bus.connect([small.url], "test") as connection:
            await provision.ensure(connection)
            populate(engine, images=400, containers=0)
            async with running_agent(source_on(engine), RealPublisher(small.url), memory):
                _, cut = await stored_after(small, 1)
                await until(lambda: is_confirmed(memory), "it is confirmed")
                confirmed = memory.load().confirmed
                change(engine, 2)
                _, whole = await stored_after(small, 2)

    assert 20 < len(cut.images) < 400
    assert cut.skipped == {"too_large": 400 - len(cut.images)}
    assert cut.content == codec.content_hash(cut.images) == confirmed.content
    assert (len(whole.images), whole.skipped) == (2, {})


def source_on(engine: ScriptedEngine) -> Engine:
    """The adapter on the engine."""
    return Engine(lambda: Address(path=str(engine.path)))


def change(engine: ScriptedEngine, images: int) -> None:
    """Give the engine another number of images, and let it say so."""
    populate(engine, images=images, containers=0)
    engine.emit("image", "pull")


def sees(memory: StateFolder, images: int) -> bool:
    """Tell whether the newest kept inventory has that many images."""
    return kept_images(memory) == images


def is_confirmed(memory: StateFolder) -> bool:
    """Tell whether NATS has confirmed the newest inventory."""
    kept = memory.load()
    return kept.newest is not None and kept.confirmed.fingerprint == fingerprint(kept.newest)


def kept_images(memory: StateFolder) -> int:
    """How many images the newest kept inventory has."""
    kept = memory.load()
    return len(kept.newest.images) if kept.newest else 0


async def stored_after(nats: NatsServer, at_least: int) -> tuple[int, Inventory]:
    """Wait for that many inventories; how many were ever stored, and the one that stands."""
    async with bus.connect([nats.url], "test") as connection:

        async def stored() -> int:
            info = await jetstream(connection).stream_info(subjects.STREAM_INVENTORY)
            count = int(info.state.last_seq)
            return count if count >= at_least else 0

        count = await until(stored, f"{at_least} inventories")
        last = await jetstream(connection).get_last_msg(subjects.STREAM_INVENTORY, SUBJECT)
        return count, codec.decode(decompressed(last.data), Inventory)


async def beats_of_a_run(
    engine: ScriptedEngine, nats: NatsServer, memory: StateFolder
) -> list[Alive]:
    """Run the agent until it says that it lives; what it said."""
    heartbeats: list[Alive] = []

    async def hear(_: str, payload: bytes) -> None:
        heartbeats.append(codec.decode(payload, Alive))

    async with bus.connect([nats.url], "test") as connection:
        await connection.listen(subjects.ALIVE_ALL, hear)
        async with running_agent(source_on(engine), RealPublisher(nats.url), memory):
            await until(lambda: bool(heartbeats), "a sign of life")
    return heartbeats

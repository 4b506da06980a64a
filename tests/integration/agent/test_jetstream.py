"""Publications of a host: stored, refused by its stream, or cut to fit."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from imagedrift_agent.adapters.state_folder import StateFolder
from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.engine import ScriptedEngine, populate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive
from support.agents import RealPublisher, running_agent
from support.nats_client import jetstream
from support.polling import until
from support.publishing_agent import SUBJECT, change, is_confirmed, source_on, stored_after


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of one image."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=1, containers=0)
        yield serving


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
    """The host says in its heartbeats why nothing newer is stored, and tries again."""
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
            await until(lambda: any(words in each.degraded for each in heartbeats), "it is said")

    assert not memory.load().confirmed.fingerprint


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

"""An engine that fails: the last inventory stands, the host says why, and recovers by itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_faults import EngineFault
from imagedrift_agent.adapters.engine_limits import EngineLimits
from imagedrift_agent.core.address import EngineAddress
from imagedrift_sandbox.engine import EngineBehaviour, Refusal, ScriptedEngine, populate
from support.agents import EngineHealth, RecordingPublisher, RecordingStore, running_agent
from support.polling import until

faults = pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("hangs", "no answer in 0.3 s"),
        ("nonsense", "not what an engine says"),
        ("fails", "500 .*the store is broken"),
        ("hangs up", "closed the connection"),
    ],
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of three images and two containers."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=3, containers=2)
        yield serving


def source_on(engine: ScriptedEngine, **limits: Any) -> Engine:
    """The adapter, impatient."""
    return Engine(
        lambda: EngineAddress(path=str(engine.path)), EngineLimits(answer_within_s=0.3, **limits)
    )


@faults
async def test_a_failing_engine_is_a_fault_that_says_what_it_did(
    engine: ScriptedEngine, fault: EngineBehaviour, reason: str
) -> None:
    """The call and the behaviour are named; nothing hangs and nothing else is raised."""
    engine.fault = fault

    with pytest.raises(EngineFault, match=f"/version.*{reason}"):
        await source_on(engine).take()


@faults
async def test_the_last_inventory_stands_and_the_host_recovers(
    engine: ScriptedEngine, fault: EngineBehaviour, reason: str
) -> None:
    """The reason is said at once, no inventory replaces the last, and the end of it is said too."""
    publisher, health = RecordingPublisher(), EngineHealth()
    async with running_agent(source_on(engine), publisher, interval_s=1, health=health):
        await until(lambda: bool(publisher.inventories), "a first inventory")
        engine.fault = fault
        await engine.drop_connections()
        await until(
            lambda: bool(publisher.heartbeats and publisher.heartbeats[-1].degraded),
            "the reason is said",
        )
        degraded = publisher.heartbeats[-1]
        engine.fault = ""
        await until(lambda: not publisher.heartbeats[-1].degraded, "the recovery is said")

    assert degraded.degraded.startswith("GET /")
    assert len(publisher.inventories) == 1
    assert degraded.content == publisher.inventories[0].content
    assert health.reason == ""


async def test_what_changed_while_the_engine_failed_is_found_afterwards(
    engine: ScriptedEngine,
) -> None:
    """A full look follows every reconnection, whichever events were missed."""
    publisher = RecordingPublisher()
    async with running_agent(source_on(engine), publisher):
        await until(lambda: bool(publisher.inventories), "a first inventory")
        engine.fault = "hangs up"
        await engine.drop_connections()
        await until(
            lambda: bool(publisher.heartbeats and publisher.heartbeats[-1].degraded),
            "the reason is said",
        )
        populate(engine, images=4, containers=2)
        engine.fault = ""
        await until(lambda: len(publisher.inventories) == 2, "the inventory after")

    assert [len(each.images) for each in publisher.inventories] == [3, 4]


async def test_an_upgrade_under_the_agent_is_said(engine: ScriptedEngine) -> None:
    """The same images on another version of the engine are worth saying once."""
    publisher = RecordingPublisher()
    async with running_agent(source_on(engine), publisher):
        await until(lambda: bool(publisher.inventories), "a first inventory")
        engine.answers["/version"] = {**engine.answers["/version"], "Version": "29.0.0"}
        await engine.drop_connections()
        await until(lambda: len(publisher.inventories) == 2, "the inventory after")

    first, second = publisher.inventories
    assert (first.engine_version, second.engine_version) == ("28.2.2", "29.0.0")
    assert first.content == second.content


async def test_a_host_whose_engine_never_answered_says_no_empty_inventory(tmp_path: Path) -> None:
    """The host lives and says why its images are unknown; its rows of before stay."""
    publisher = RecordingPublisher()
    source = Engine(lambda: EngineAddress(path=str(tmp_path / "nothing")))
    async with running_agent(source, publisher):
        await until(lambda: bool(publisher.heartbeats), "a heartbeat")

    assert publisher.inventories == []
    assert publisher.heartbeats[0].content == ""
    assert "No such file" in publisher.heartbeats[0].degraded


async def test_after_a_restart_a_dead_engine_leaves_the_kept_inventory(
    engine: ScriptedEngine,
) -> None:
    """An unconfirmed inventory is still published after a restart, with the reason of its age."""
    memory, before, after = RecordingStore(), RecordingPublisher(), RecordingPublisher()
    before.refuses = True
    async with running_agent(source_on(engine), before, memory):
        await until(lambda: before.refused > 0, "a refusal")
    engine.fault = "fails"
    async with running_agent(source_on(engine), after, memory):
        await until(lambda: bool(after.inventories), "the kept inventory")

    assert len(after.inventories[0].images) == 3
    assert "the store is broken" in after.inventories[0].degraded


async def test_an_image_that_goes_during_a_look_is_passed_over(engine: ScriptedEngine) -> None:
    """The list names it, its details are gone: the others are reported."""
    gone = engine.answers["/images/json"][0]["Id"]
    del engine.answers[f"/images/{gone}/json"]

    snapshot = await source_on(engine).take()

    assert len(snapshot.image_list.images) == 2
    assert snapshot.image_list.skipped == {"image_gone": 1}


@pytest.mark.parametrize("answer", [Refusal(500), "no details", {"Id": 7}], ids=repr)
async def test_a_broken_image_spares_the_others(engine: ScriptedEngine, answer: Any) -> None:
    """A broken image is told by its list, counted, and asked for again at the next look."""
    broken = engine.answers["/images/json"][0]["Id"]
    good, engine.answers[f"/images/{broken}/json"] = (
        engine.answers[f"/images/{broken}/json"],
        answer,
    )
    source = source_on(engine)

    first = await source.take()
    engine.answers[f"/images/{broken}/json"] = good
    second = await source.take()

    assert [i.reference for i in first.image_list.images] == [
        i.reference for i in second.image_list.images
    ]
    assert first.image_list.skipped == {"image_unreadable": 1}
    assert second.image_list.skipped == {}
    assert first.image_list.images[0].repo_digests == second.image_list.images[0].repo_digests


@pytest.mark.parametrize(
    "event",
    [b"this is no JSON\n", b'{"Type": 7}\n', b"\xff\n", b"[]\n"],
    ids=["text", "wrong type", "no UTF-8", "a list"],
)
async def test_nonsense_among_the_events_is_a_fault(engine: ScriptedEngine, event: bytes) -> None:
    """Nonsense ends the listening, which begins again with a full look."""
    source = source_on(engine)
    events: Any = source.changes()
    assert await anext(events) is None
    engine.emit_raw(event)

    with pytest.raises(EngineFault, match="/events"):
        await anext(events)


async def test_an_event_in_pieces_is_one_event(engine: ScriptedEngine) -> None:
    """Chunks of the stream end where they like."""
    source = source_on(engine)
    events: Any = source.changes()
    await anext(events)
    for piece in (b'{"Type":"image",', b'"Action":"tag"}\n{"Type":"conta', b'iner"}\n'):
        engine.emit_raw(piece)
        await asyncio.sleep(0)

    first, second = await anext(events), await anext(events)
    await events.aclose()

    assert (first.type, first.action, second.type) == ("image", "tag", "container")


async def test_an_event_without_an_end_is_a_fault(engine: ScriptedEngine) -> None:
    """An event is bounded as every answer is."""
    events: Any = source_on(engine, max_event=1000).changes()
    await anext(events)
    engine.emit_raw(b"x" * 2000)

    with pytest.raises(EngineFault, match="/events: one of more than 1000 bytes"):
        await anext(events)


async def to_the_end(events: AsyncIterator[Any]) -> list[Any]:
    """Every event that is left."""
    return [event async for event in events]

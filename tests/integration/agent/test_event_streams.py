"""Streams of events as engines and proxies end them, delay them and keep them back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imagedrift_agent import doctor
from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_limits import EngineLimits
from imagedrift_agent.core.address import EngineAddress
from imagedrift_agent.settings import AgentSettings
from imagedrift_sandbox.engine import Bytes, HeadlessEvents, Refusal, ScriptedEngine, populate
from support.agents import RecordingPublisher, running_agent
from support.polling import until
from support.virtual_time import FastClock

OK = b"HTTP/1.1 200 OK\r\n"
EVENT = b'{"Type":"image","Action":"tag"}\n'
ENDS = {
    "by length": Bytes(OK + b"Content-Length: 0\r\n\r\n"),
    "in chunks": Bytes(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "by closing": Bytes(OK + b"\r\n"),
    "after one event": Bytes(
        OK + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT),
    ),
    "refused": Refusal(403),
}
ENOUGH_S = 6.0


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of three images."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=3, containers=2)
        yield serving


def source_on(engine: ScriptedEngine, **limits: float) -> Engine:
    """The adapter."""
    return Engine(
        lambda: EngineAddress(path=str(engine.path)), msgspec.convert(limits, EngineLimits)
    )


def count_of_calls(engine: ScriptedEngine, path: str) -> int:
    """How often a path was asked for."""
    return sum(path in target for target in engine.asked)


@pytest.mark.parametrize("stream", ENDS.values(), ids=ENDS.keys())
async def test_a_stream_that_ends_at_once_is_opened_ever_more_rarely(
    engine: ScriptedEngine, stream: Any
) -> None:
    """A handful of looks, as after a refusal (Tecnativa/docker-socket-proxy#62)."""
    engine.answers["/events"] = stream
    clock = FastClock(5)
    async with running_agent(source_on(engine), RecordingPublisher(), clock=clock):
        await until(lambda: count_of_calls(engine, "/events") >= 3, "it is opened again")
        await clock.sleep(ENOUGH_S)
        opened, looks = count_of_calls(engine, "/events"), count_of_calls(engine, "/images/json")

    assert opened <= 6
    assert looks <= 7


async def test_a_stream_that_stays_open_is_one(engine: ScriptedEngine) -> None:
    """Silence is no end of it."""
    publisher = RecordingPublisher()
    async with running_agent(source_on(engine, answer_within_s=0.3), publisher):
        await until(lambda: bool(publisher.inventories), "the first inventory")
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=2)

    assert count_of_calls(engine, "/events") == 1


async def test_a_stream_without_a_head_is_followed(engine: ScriptedEngine) -> None:
    """Podman sends it with the first event (containers/podman#23712): there is no time-out."""
    engine.answers["/events"] = HeadlessEvents()
    publisher = RecordingPublisher()
    async with running_agent(source_on(engine, answer_within_s=0.3, head_within_s=0.2), publisher):
        await until(lambda: bool(engine.headless), "it listens")
        await until(lambda: count_of_calls(engine, "/images/json") >= 2, "the look once it listens")
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=2)
        looks = count_of_calls(engine, "/images/json")
        del engine.answers["/events"]
        populate(engine, images=4, containers=2)
        engine.emit("image", "tag")
        await until(lambda: len(publisher.inventories[-1].images) == 4, "the change is said")

    assert looks <= 2
    assert count_of_calls(engine, "/events") == 1


async def test_a_head_in_pieces_is_one_head(engine: ScriptedEngine) -> None:
    """To stop waiting for it loses nothing of it."""
    engine.answers["/events"] = HeadlessEvents()
    events: Any = source_on(engine, head_within_s=0.1).changes()
    assert await anext(events) is None
    engine.emit("image", "pull")

    late, event = await anext(events), await anext(events)
    await events.aclose()

    assert late is None
    assert event.action == "pull"


async def findings(engine: ScriptedEngine) -> dict[str, doctor.Diagnosis]:
    """The doctor's diagnoses of an engine, by their object."""
    settings = AgentSettings(docker_host=engine.host)
    return {found.about: found for found in await doctor.examine_source(settings)}


@pytest.mark.parametrize("stream", [HeadlessEvents(), None], ids=["no head", "silent"])
async def test_silence_is_no_fault_for_the_doctor(engine: ScriptedEngine, stream: Any) -> None:
    """The doctor says that it listens, and that nothing happened yet."""
    if stream:
        engine.answers["/events"] = stream

    found = (await findings(engine))["events"]

    assert found.good
    assert found.what == "listening; nothing happened yet"


@pytest.mark.parametrize("how", ["by length", "in chunks", "by closing"])
async def test_a_stream_that_ends_at_once_is_a_fault_for_the_doctor(
    engine: ScriptedEngine, how: str
) -> None:
    """The doctor says what a proxy has to let through."""
    engine.answers["/events"] = ENDS[how]

    found = (await findings(engine))["events"]

    assert not found.good
    assert "stay open" in found.advice

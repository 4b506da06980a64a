"""The scripted engine: it answers by its script, fails as told, and streams events."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from imagedrift_sandbox.engine import Bytes, Refusal, ScriptedEngine, populate


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of three images and four containers."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=3, containers=4)
        yield serving


@pytest.fixture
async def session(engine: ScriptedEngine) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the engine's socket."""
    connector = aiohttp.UnixConnector(str(engine.path))
    async with aiohttp.ClientSession("http://engine", connector=connector) as made:
        yield made


async def get(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    """Make a call and return the status and the document."""
    async with session.get(path) as response:
        return response.status, await response.json()


async def test_a_path_is_answered_in_every_version(
    engine: ScriptedEngine, session: aiohttp.ClientSession
) -> None:
    """A query's own answer goes before the path's; what is not scripted is not there."""
    engine.answers["/images/json?manifests=1"] = []

    assert len((await get(session, "/v1.41/images/json"))[1]) == 3
    assert await get(session, "/v1.48/images/json?manifests=1") == (200, [])
    assert len((await get(session, "/containers/json?all=1"))[1]) == 4
    assert (await get(session, "/nothing"))[0] == 404
    assert engine.asked == [
        "/v1.41/images/json",
        "/v1.48/images/json?manifests=1",
        "/containers/json?all=1",
        "/nothing",
    ]


async def test_an_answer_may_be_a_refusal_or_bytes(
    engine: ScriptedEngine, session: aiohttp.ClientSession
) -> None:
    """The connection ends with the bytes."""
    engine.answers |= {"/info": Refusal(403), "/version": Bytes(b"HTTP/1.1 200 OK\r\n\r\n{}")}

    assert (await get(session, "/info"))[0] == 403
    async with session.get("/version") as response:
        assert await response.read() == b"{}"


async def test_a_fault_strikes_every_call(
    engine: ScriptedEngine, session: aiohttp.ClientSession
) -> None:
    """Until it is taken away."""
    engine.fault = "fails"
    assert (await get(session, "/version"))[0] == 500
    engine.fault = "hangs up"
    with pytest.raises(aiohttp.ClientError):
        await get(session, "/version")
    engine.fault = ""
    assert (await get(session, "/version"))[0] == 200


async def test_events_reach_who_listens(
    engine: ScriptedEngine, session: aiohttp.ClientSession
) -> None:
    """The stream stays open until the connections are dropped."""
    async with session.get("/events") as response:
        engine.emit("image", "pull", "nginx:1")
        event = json.loads(await response.content.readline())
        await engine.drop_connections()
        with pytest.raises(aiohttp.ClientError):
            async with asyncio.timeout(10):
                await response.content.read()
    assert (event["Type"], event["Action"], event["Actor"]["ID"]) == ("image", "pull", "nginx:1")

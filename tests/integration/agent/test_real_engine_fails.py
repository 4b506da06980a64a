"""A real Docker Engine that hangs, and one that is stopped and started: the agent recovers."""

import asyncio

import pytest

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_limits import EngineLimits
from imagedrift_agent.core.address import EngineAddress
from support.agents import RecordingPublisher, running_agent
from support.engine import DockerEngine
from support.polling import until

pytestmark = pytest.mark.real


def source_on(engine: DockerEngine) -> Engine:
    """The adapter, impatient."""
    return Engine(lambda: EngineAddress(path=str(engine.path)), EngineLimits(answer_within_s=1))


async def test_an_engine_that_hangs_is_told_and_forgiven(docker_engine: DockerEngine) -> None:
    """While its process is stopped by a signal nothing is said to be gone."""
    await asyncio.to_thread(docker_engine.build, "app:1")
    publisher = RecordingPublisher()
    assert docker_engine.child is not None
    async with running_agent(source_on(docker_engine), publisher, interval_s=2):
        await until(lambda: bool(publisher.inventories), "the first inventory")
        docker_engine.child.pause()
        try:
            await until(lambda: degraded(publisher) != "", "the hang is told")
            reason = degraded(publisher)
        finally:
            docker_engine.child.resume()
        await until(lambda: degraded(publisher) == "", "the recovery is told")

    assert reason.startswith("GET /")
    assert "no answer in 1 s" in reason
    assert len(publisher.inventories) == 1


async def test_an_engine_that_is_restarted_is_found_again(docker_engine: DockerEngine) -> None:
    """Changes from before the stream was open again are in the next inventory."""
    await asyncio.to_thread(docker_engine.build, "app:1")
    publisher = RecordingPublisher()
    async with running_agent(source_on(docker_engine), publisher):
        await until(lambda: bool(publisher.inventories), "the first inventory")
        await asyncio.to_thread(docker_engine.stop_daemon)
        await until(lambda: degraded(publisher) != "", "the stop is told")
        await asyncio.to_thread(docker_engine.start)
        await asyncio.to_thread(docker_engine.tag, "app:1", "app:2")
        await until(lambda: len(publisher.inventories) == 2, "the inventory after")

    assert [len(each.images) for each in publisher.inventories] == [1, 2]
    assert publisher.inventories[1].degraded == ""


def degraded(publisher: RecordingPublisher) -> str:
    """The reason that was told last."""
    return publisher.heartbeats[-1].degraded if publisher.heartbeats else ""

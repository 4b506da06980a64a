"""The messages to NATS: each new inventory until it is confirmed, and heartbeats in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import structlog

from imagedrift_agent.core.cadence import RESEND_AFTER_S
from imagedrift_agent.core.messages import HostProfile, inventory
from imagedrift_agent.reporter import Reporter
from imagedrift_agent.state import AgentState
from support.agents import AgentClock, RecordingPublisher, RecordingStore, ScriptedSource

pytestmark = pytest.mark.virtual_time

PROFILE = HostProfile(site="test", host="h1", interval_s=300, boot="b")
RETURN_WITHIN_S = 60.0


class Reporting:
    """A reporter at work on a state that the test changes, in virtual time."""

    def __init__(self, store: RecordingStore | None = None) -> None:
        self.store = store or RecordingStore()
        self.state = AgentState(self.store, "here")
        self.publisher = RecordingPublisher()
        self.clock = AgentClock()

    async def has(self, images: int) -> None:
        """Let the host have so many images."""
        snapshot = await ScriptedSource(images).take()
        self.state.update(inventory(PROFILE, snapshot, self.clock.now()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report for the length of an `async with`."""
        reporter = Reporter(
            PROFILE, self.publisher.connected, self.state, self.clock, RETURN_WITHIN_S
        )
        task = asyncio.create_task(reporter.run())
        await self.clock.sleep(0)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_nothing_is_sent_before_the_host_is_known() -> None:
    """Before the first snapshot there is nothing to report."""
    reporting = Reporting()
    async with reporting.running():
        await reporting.clock.sleep(3600)
        assert reporting.publisher.connections == 0
        await reporting.has(1)
        await reporting.clock.sleep(1)

    assert len(reporting.publisher.inventories) == 1


async def test_an_unchanged_host_sends_only_heartbeats() -> None:
    """One inventory, then a heartbeat in each interval with the content that it stands for."""
    reporting = Reporting()
    await reporting.has(1)
    async with reporting.running():
        await reporting.clock.sleep(3600)

    [sent] = reporting.publisher.inventories
    heartbeats = reporting.publisher.heartbeats
    assert 12 <= len(heartbeats) <= 15
    assert {each.content for each in heartbeats} == {sent.content}
    numbers = [sent.seq, *(each.seq for each in heartbeats)]
    assert numbers == sorted(set(numbers))


async def test_a_change_is_published_at_once() -> None:
    """A change does not wait for the next heartbeat."""
    reporting = Reporting()
    await reporting.has(1)
    async with reporting.running():
        await reporting.clock.sleep(10)
        await reporting.has(2)
        await reporting.clock.sleep(0.01)

    assert [len(each.images) for each in reporting.publisher.inventories] == [1, 2]


async def test_a_confirmed_inventory_is_published_again_within_six_hours() -> None:
    """The stream may have lost it."""
    reporting = Reporting()
    await reporting.has(1)
    async with reporting.running():
        await reporting.clock.sleep(RESEND_AFTER_S)

    assert len(reporting.publisher.inventories) == 2


async def test_a_restart_repeats_nothing_that_was_confirmed() -> None:
    """The saved state tells what NATS has."""
    before = Reporting()
    await before.has(1)
    async with before.running():
        await before.clock.sleep(1)

    after = Reporting(before.store)
    await after.has(1)
    async with after.running():
        await after.clock.sleep(1000)

    assert len(before.publisher.inventories) == 1
    assert after.publisher.inventories == []
    assert after.publisher.heartbeats


async def test_a_refusal_is_repeated_until_it_is_taken() -> None:
    """The waits double up to the bound; nothing is lost, nothing is published twice."""
    reporting = Reporting()
    reporting.publisher.refuses = True
    await reporting.has(1)
    async with reporting.running():
        await reporting.clock.sleep(600)
        assert 20 <= reporting.publisher.refused <= 50, "inventories and heartbeats in turn"
        reporting.publisher.refuses = False
        await reporting.clock.sleep(RETURN_WITHIN_S)
        await reporting.clock.sleep(600)

    assert len(reporting.publisher.inventories) == 1


async def test_a_nats_that_is_away_is_tried_until_it_is_back() -> None:
    """The newest inventory waits for it, and only the newest."""
    reporting = Reporting()
    reporting.publisher.is_away = True
    await reporting.has(1)
    with structlog.testing.capture_logs() as logs:
        async with reporting.running():
            await reporting.clock.sleep(3600)
            await reporting.has(2)
            assert 60 <= reporting.publisher.connections <= 130
            reporting.publisher.is_away = False
            await reporting.clock.sleep(RETURN_WITHIN_S)

    assert [len(each.images) for each in reporting.publisher.inventories] == [2]
    assert {e["event"] for e in logs} == {"heartbeat.refused", "inventory.published"}


async def test_a_fault_is_reported_once_and_so_is_its_end() -> None:
    """Each is a heartbeat at once; the inventory stands."""
    reporting = Reporting()
    await reporting.has(1)
    async with reporting.running():
        await reporting.clock.sleep(1)
        reporting.state.mark_outdated("the engine hangs")
        await reporting.clock.sleep(1)
        await reporting.has(1)
        await reporting.clock.sleep(1)

    assert [each.degraded for each in reporting.publisher.heartbeats] == ["the engine hangs", ""]
    assert len(reporting.publisher.inventories) == 1


async def test_a_host_whose_inventory_is_refused_says_so() -> None:
    """A refused host lives, and its heartbeats tell why its inventory is an older one."""
    reporting = Reporting()

    reporting.publisher.refuses_inventories = True
    await reporting.has(1)
    async with reporting.running():
        await reporting.clock.sleep(600)

    assert {each.degraded for each in reporting.publisher.heartbeats} == {
        "the inventory is not stored: NATS is away"
    }


async def test_a_clock_that_is_set_back_silences_no_host() -> None:
    """Waits are measured by a clock that is never set; the other one is only told."""
    reporting = Reporting()
    await reporting.has(1)
    async with reporting.running():
        await reporting.clock.sleep(300)
        reporting.clock.offset = timedelta(hours=-5)
        await reporting.clock.sleep(300)

    before, after = reporting.publisher.heartbeats[0], reporting.publisher.heartbeats[-1]
    assert before.at - after.at > timedelta(hours=4)

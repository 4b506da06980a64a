"""Sending where the database or a channel does not work as it should."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest
from msgspec.structs import replace

from imagedrift_notifier.core.outbound import OutboundMessage, RouteCounts, StartedOver
from imagedrift_notifier.core.outcome import Delivered, NextStep, SendOutcome
from imagedrift_notifier.core.route import MessageRoute, Routes
from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_notifier.usecases import deliver, route_tasks
from imagedrift_notifier.usecases.deliver import MOST_AT_ONCE, PAUSES_S, Deliver
from support.notifier import NOW, outbound_message, route
from support.virtual_time import StillClock

MESSAGE = outbound_message(route="", channel="apprise")


class Queue:
    """Messages in memory, of a database that is away for some calls that mark an outcome."""

    def __init__(self, *routes: str, each: int = 1) -> None:
        self.waiting = dict.fromkeys(routes, each)
        self.away = 0
        self.marked: list[tuple[str, str]] = []

    async def resolve_dead(self) -> list[tuple[str, str, str]]:
        """Find nobody who died."""
        return []

    async def routes_with_messages(self) -> dict[str, datetime]:
        """Name the routes with messages."""
        return {name: NOW for name, count in self.waiting.items() if count}

    async def begin_sending(self, route: str) -> OutboundMessage | None:
        """Take a message."""
        if not self.waiting[route]:
            return None
        self.waiting[route] -= 1
        return replace(MESSAGE, route=route)

    async def end_sending(self, message: OutboundMessage, step: NextStep) -> None:
        """Note an outcome, or be away."""
        if self.away:
            self.away -= 1
            raise DatabaseUnreachable("it restarts")
        self.marked.append((message.route, step.state))

    async def is_known(self, message: OutboundMessage) -> bool:
        """Know every message."""
        return True

    async def start_over(self, last: OutboundMessage) -> StartedOver:
        """Never start over."""
        raise AssertionError

    async def counts(self, routes: Sequence[str]) -> list[RouteCounts]:
        """Count nothing."""
        return []


class Channel:
    """Takes messages; those of routes called `slow…` only when it is told to."""

    def __init__(self) -> None:
        self.may_take = asyncio.Event()

    async def send(self, route: MessageRoute, message: OutboundMessage) -> SendOutcome:
        """Take a message."""
        if route.name.startswith("slow"):
            await self.may_take.wait()
        return Delivered()


class NoWait(StillClock):
    """A clock for which no time passes."""

    async def sleep(self, seconds: float) -> None:
        """Go on at once."""


def delivering(queue: Queue, channel: Channel, tasks: asyncio.TaskGroup) -> Deliver:
    """Deliver to the routes of a queue."""
    held = Routes(routes={name: route(name) for name in queue.waiting})
    return Deliver(queue, channel, lambda: held, NoWait(), asyncio.Event(), tasks)


async def test_a_database_that_is_away_for_a_moment_leaves_no_message_in_doubt() -> None:
    """An outcome is marked as soon as the database is back."""
    queue = Queue("ops")
    queue.away = len(PAUSES_S)
    async with asyncio.TaskGroup() as tasks:
        await delivering(queue, Channel(), tasks).run()

    assert queue.marked == [("ops", "sent")]


async def test_a_database_that_stays_away_is_told_and_the_next_run_goes_on() -> None:
    """The message is left to be resolved by its lease."""
    queue = Queue("ops", each=2)
    queue.away = len(PAUSES_S) + 1
    async with asyncio.TaskGroup() as tasks:
        sending = delivering(queue, Channel(), tasks)
        with pytest.raises(DatabaseUnreachable, match="it restarts"):
            await sending.run()
        await sending.run()

    assert queue.marked == [("ops", "sent")]


async def test_routes_whose_channel_hangs_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many messages of slow channels wait while another route sends in every run."""
    monkeypatch.setattr(route_tasks, "WAITS_S", 0.01)
    slow = [f"slow{number}" for number in range(MOST_AT_ONCE - 1)]
    queue = Queue(*slow, "quick", each=deliver.MOST_IN_A_RUN)
    channel = Channel()
    async with asyncio.TaskGroup() as tasks:
        sending = delivering(queue, channel, tasks)
        for run in (1, 2):
            await sending.run()
            assert queue.marked == [("quick", "sent")] * (run * deliver.MOST_IN_A_RUN)
            queue.waiting["quick"] = deliver.MOST_IN_A_RUN
        queue.waiting = dict.fromkeys(queue.waiting, 0)
        channel.may_take.set()

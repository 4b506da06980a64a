"""Work is repeated at its pace, outlives its failures, and ends when the service stops."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from imagedrift_runtime.health import Health
from imagedrift_runtime.periodic import SPREAD, Periodic, pause_of
from imagedrift_runtime.works import PART, Works


class Unavailable(Exception):
    """A server is away: no defect."""


class Pauses:
    """Takes no time: notes each pause, moves a clock on by it, and stops after the last."""

    def __init__(self, last: int) -> None:
        self.stopping = asyncio.Event()
        self.seconds: list[float] = []
        self.events: list[tuple[asyncio.Event, ...]] = []
        self._last = last

    async def __call__(self, seconds: float, *events: asyncio.Event) -> None:
        """Pass the pause at once."""
        self.seconds.append(seconds)
        self.events.append(events)
        if len(self.seconds) == self._last:
            self.stopping.set()

    def clock(self) -> float:
        """Tell the time, in seconds since the start."""
        return sum(self.seconds)


def periodic(pauses: Pauses, health: Health | None = None) -> Periodic:
    """Repeat with the middle of each pause's range."""
    return Periodic(
        Works(health or Health(), pauses.clock),
        pauses.stopping,
        postponed_by=(Unavailable,),
        pause=pauses,
        chance=lambda: 0.5,
    )


def failing(error: Exception, times: int) -> tuple[Callable[[], Awaitable[None]], list[int]]:
    """Make work that fails so many times and then succeeds, and the list of its runs."""
    runs: list[int] = []

    async def work() -> None:
        runs.append(len(runs))
        if len(runs) <= times:
            raise error

    return work, runs


async def test_work_runs_at_once_and_then_once_a_period() -> None:
    """The first run is not awaited; each later one follows a pause of the period."""
    pauses = Pauses(last=3)
    work, runs = failing(Unavailable(), times=0)

    await periodic(pauses).repeat("plan", work, 10.0)

    assert len(runs) == 3
    assert pauses.seconds == pytest.approx([10.0, 10.0, 10.0])


async def test_the_first_run_can_be_delayed() -> None:
    """Stopping ends that delay, too, and then the work never runs."""
    pauses = Pauses(last=1)
    work, runs = failing(Unavailable(), times=0)

    await periodic(pauses).repeat("count", work, 10.0, first_after_s=30.0)

    assert pauses.seconds == [30.0]
    assert pauses.events == [(pauses.stopping,)]
    assert runs == []


@pytest.mark.parametrize(
    ("error", "event", "level"),
    [(Unavailable("away"), "work.postponed", "warning"), (ValueError("x"), "work.failed", "error")],
)
async def test_work_that_fails_is_logged_and_tried_again_after_a_period(
    error: Exception, event: str, level: str
) -> None:
    """An expected error is a warning; any other one is a defect, and no error ends the loop."""
    pauses = Pauses(last=3)
    work, runs = failing(error, times=1)

    with capture_logs() as logs:
        await periodic(pauses).repeat("plan", work, 10.0)

    assert len(runs) == 3
    assert [(each["event"], each["log_level"]) for each in logs] == [(event, level)]


async def test_work_that_keeps_failing_makes_the_service_not_ready() -> None:
    """Health names the work and the last error."""
    pauses, health = Pauses(last=8), Health()
    work, _ = failing(ValueError("boom"), times=8)

    await periodic(pauses, health).repeat("plan", work, 10.0)

    assert health.parts()[PART].reason == "plan has failed for 70 s: ValueError: boom"


async def test_an_event_shortens_the_pause_after_a_success_alone() -> None:
    """After a failure it does not: work that fails before it clears the event would spin."""
    pauses, sooner = Pauses(last=2), asyncio.Event()
    work, _ = failing(Unavailable(), times=1)

    await periodic(pauses).repeat("plan", work, 10.0, sooner=sooner)

    assert pauses.events == [(pauses.stopping,), (pauses.stopping, sooner)]


async def test_an_event_that_is_set_starts_the_next_run_at_once() -> None:
    """With real waiting: a period of an hour ends as soon as the event is set."""
    stopping, sooner, runs = asyncio.Event(), asyncio.Event(), 0

    async def work() -> None:
        nonlocal runs
        sooner.clear()
        runs += 1
        (stopping if runs == 3 else sooner).set()

    async with asyncio.timeout(10):
        await Periodic(Works(Health()), stopping).repeat("plan", work, 3600.0, sooner=sooner)

    assert runs == 3


async def test_a_run_that_has_begun_is_finished_before_the_loop_ends() -> None:
    """Stopping in the middle of a run interrupts nothing, and no other run follows."""
    stopping, is_begun, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def work() -> None:
        is_begun.set()
        await may_end.wait()
        ended.append("run")

    loop = asyncio.create_task(Periodic(Works(Health()), stopping).repeat("tidy", work, 3600.0))
    async with asyncio.timeout(10):
        await is_begun.wait()
        stopping.set()
        assert not loop.done()
        may_end.set()
        await loop

    assert ended == ["run"]


async def test_a_cancelled_loop_ends() -> None:
    """A cancellation is no failure of the work."""
    is_begun = asyncio.Event()

    async def work() -> None:
        is_begun.set()
        await asyncio.Event().wait()

    loop = asyncio.create_task(Periodic(Works(Health()), asyncio.Event()).repeat("tidy", work, 1.0))
    async with asyncio.timeout(10):
        await is_begun.wait()
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop


@given(st.floats(0.01, 86_400), st.floats(0, 1))
def test_a_pause_is_a_tenth_off_the_period_at_most(every_s: float, chance: float) -> None:
    """So replicas that start together spread, and none falls behind its period."""
    shortest, longest = every_s * (1 - SPREAD), every_s * (1 + SPREAD)

    assert shortest * 0.999 <= pause_of(every_s, chance) <= longest * 1.001
    assert pause_of(every_s, 0.0) == pytest.approx(shortest)
    assert pause_of(every_s, 1.0) == pytest.approx(longest)

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
from support.virtual_time import VirtualClock

pytestmark = pytest.mark.virtual_time

Work = Callable[[], Awaitable[None]]


class Unavailable(Exception):
    """A server is away: no defect."""


class MiddleClock(VirtualClock):
    """A clock on virtual time that draws the middle of each range."""

    def random(self) -> float:
        """Return one half."""
        return 0.5


class Loop:
    """Repeats work on virtual time until its last run, and notes when each run began."""

    def __init__(self, last: int, health: Health | None = None) -> None:
        self.stopping = asyncio.Event()
        self.began: list[float] = []
        self.clock = MiddleClock()
        self.periodic = periodic(self.stopping, self.clock, health)
        self._last = last

    def watched(self, work: Work) -> Work:
        """Note when work begins, and stop after the last run."""

        async def run() -> None:
            self.began.append(self.clock.monotonic())
            if len(self.began) == self._last:
                self.stopping.set()
            await work()

        return run


def periodic(
    stopping: asyncio.Event, clock: VirtualClock, health: Health | None = None
) -> Periodic:
    """Make a loop that postpones what a server delays."""
    works = Works(health or Health(), clock)
    return Periodic(works, stopping, clock, postponed_by=(Unavailable,))


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
    loop = Loop(last=3)
    work, _ = failing(Unavailable(), times=0)

    await loop.periodic.repeat("plan", loop.watched(work), 10.0)

    assert loop.began == pytest.approx([0.0, 10.0, 20.0])


async def test_the_first_run_can_be_delayed() -> None:
    """The pause before it is as long as asked for, and later ones last a period."""
    loop = Loop(last=2)
    work, _ = failing(Unavailable(), times=0)

    await loop.periodic.repeat("count", loop.watched(work), 10.0, first_after_s=30.0)

    assert loop.began == pytest.approx([30.0, 40.0])


async def test_stopping_ends_the_delay_before_the_first_run() -> None:
    """The work then never runs."""
    loop = Loop(last=1)
    work, runs = failing(Unavailable(), times=0)
    asyncio.get_running_loop().call_later(5.0, loop.stopping.set)

    await loop.periodic.repeat("count", loop.watched(work), 10.0, first_after_s=30.0)

    assert runs == []
    assert loop.clock.monotonic() == 5.0


@pytest.mark.parametrize(
    ("error", "event", "level"),
    [(Unavailable("away"), "work.postponed", "warning"), (ValueError("x"), "work.failed", "error")],
)
async def test_work_that_fails_is_logged_and_tried_again_after_a_period(
    error: Exception, event: str, level: str
) -> None:
    """An expected error is a warning; any other one is a defect, and no error ends the loop."""
    loop = Loop(last=3)
    work, runs = failing(error, times=1)

    with capture_logs() as logs:
        await loop.periodic.repeat("plan", loop.watched(work), 10.0)

    assert len(runs) == 3
    assert [(each["event"], each["log_level"]) for each in logs] == [(event, level)]


async def test_work_that_keeps_failing_makes_the_service_not_ready() -> None:
    """Health names the work and the last error."""
    health = Health()
    loop = Loop(last=8, health=health)
    work, _ = failing(ValueError("boom"), times=8)

    await loop.periodic.repeat("plan", loop.watched(work), 10.0)

    assert health.parts()[PART].reason == "plan has failed for 70 s: ValueError: boom"


async def test_an_event_shortens_the_pause_after_a_success_alone() -> None:
    """After a failure it does not: work that fails before it clears the event would spin."""
    loop, sooner = Loop(last=3), asyncio.Event()
    work, _ = failing(Unavailable(), times=1)
    sooner.set()

    await loop.periodic.repeat("plan", loop.watched(work), 10.0, sooner=sooner)

    assert loop.began == pytest.approx([0.0, 10.0, 10.0])


async def test_an_event_that_is_set_in_a_pause_starts_the_next_run() -> None:
    """A period of an hour ends as soon as the event is set."""
    loop, sooner = Loop(last=2), asyncio.Event()
    work, _ = failing(Unavailable(), times=0)
    asyncio.get_running_loop().call_later(7.0, sooner.set)

    await loop.periodic.repeat("plan", loop.watched(work), 3600.0, sooner=sooner)

    assert loop.began == [0.0, 7.0]


async def test_a_run_that_has_begun_is_finished_before_the_loop_ends() -> None:
    """Stopping in the middle of a run interrupts nothing, and no other run follows."""
    stopping, is_begun, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def work() -> None:
        is_begun.set()
        await may_end.wait()
        ended.append("run")

    loop = asyncio.create_task(periodic(stopping, VirtualClock()).repeat("tidy", work, 3600.0))
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

    repeated = periodic(asyncio.Event(), VirtualClock()).repeat("tidy", work, 1.0)
    loop = asyncio.create_task(repeated)
    async with asyncio.timeout(10):
        await is_begun.wait()
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop


@given(st.floats(0.01, 86_400), st.floats(0, 1))
def test_a_pause_is_a_tenth_off_the_period_at_most(every_s: float, chance: float) -> None:
    """Replicas that start together spread, and none falls behind its period."""
    shortest, longest = every_s * (1 - SPREAD), every_s * (1 + SPREAD)

    assert shortest * 0.999 <= pause_of(every_s, chance) <= longest * 1.001
    assert pause_of(every_s, 0.0) == pytest.approx(shortest)
    assert pause_of(every_s, 1.0) == pytest.approx(longest)

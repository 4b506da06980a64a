"""Tags are asked about when they are due; after news the planner waits for quiet."""

import asyncio

import pytest

from imagedrift_ingest.core.arrival_wait import FIRST_S, FLEET_QUIET_S, MANY_HOSTS, QUIET_S
from imagedrift_ingest.usecases.plan import Plan
from support.virtual_time import VirtualClock

pytestmark = pytest.mark.virtual_time


class Arrivals:
    """Hosts that brought new images."""

    def __init__(self, count: int = 0) -> None:
        self.bringers = set(range(count))

    def take_bringers(self) -> set[int]:
        """Return them, and begin anew."""
        taken, self.bringers = self.bringers, set()
        return taken


class Planning:
    """A planner of which the looks are kept: when, and how many hosts were awaited still."""

    def __init__(self, hosts: int = 0, *, is_news: bool = True) -> None:
        self.clock, self.arrivals = VirtualClock(), Arrivals(hosts)
        self.news, self.stopping = asyncio.Event(), asyncio.Event()
        self.looks: list[tuple[float, int]] = []
        if is_news:
            self.news.set()
        self.plan = Plan(self._ask, self.arrivals, self.clock, self.news, self.stopping)

    async def _ask(self) -> None:
        self.looks.append((self.clock.monotonic(), len(self.arrivals.bringers)))


@pytest.mark.parametrize(
    ("hosts", "is_news", "asked_after_s", "done_after_s"),
    [
        (0, False, 0.0, 0.0),
        (1, True, 0.0, FIRST_S),
        (MANY_HOSTS, True, FLEET_QUIET_S, FLEET_QUIET_S),
    ],
)
async def test_new_references_are_gathered(
    hosts: int, is_news: bool, asked_after_s: float, done_after_s: float
) -> None:
    """After news of few hosts the planner asks and waits; those of a fleet are awaited first."""
    planning = Planning(hosts, is_news=is_news)
    await planning.plan.run()
    [(asked_at, awaited)] = planning.looks
    assert asked_at == pytest.approx(asked_after_s)
    assert awaited == 0
    assert planning.clock.monotonic() == pytest.approx(done_after_s)
    assert not planning.news.is_set()


async def test_news_that_came_while_gathering_is_left_for_the_next_run() -> None:
    """A host that brings more makes the planner wait no longer than its quiet time."""
    planning = Planning(1)
    running = asyncio.create_task(planning.plan.run())
    await planning.clock.sleep(FIRST_S / 2)
    planning.arrivals.bringers.add(7)
    planning.news.set()
    began = planning.clock.monotonic()
    await running
    assert planning.clock.monotonic() - began == pytest.approx(QUIET_S)
    assert planning.news.is_set()


async def test_a_stop_ends_the_wait_for_new_references() -> None:
    """The questions that are due are asked all the same."""
    planning = Planning()
    planning.stopping.set()
    await planning.plan.run()
    assert planning.looks == [(0.0, 0)]
    assert planning.clock.monotonic() == 0.0

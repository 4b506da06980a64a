"""The fleet is counted by one process, which alone shows the figures."""

from collections.abc import Callable

import pytest

from imagedrift_ingest.core.fleet_counts import FleetFigures, LastExport
from imagedrift_ingest.usecases.count_fleet import CountFleet
from support.fleet_figures import FIGURES
from support.turns import OwnTurns
from support.virtual_time import StillClock

PERIOD_S = 60.0


class Counts:
    """The counts of a fleet, which one of several processes makes."""

    def __init__(self, clock: StillClock) -> None:
        self._clock = clock
        self.by = ""
        self.at = 0.0
        self.counted: list[str] = []
        self.is_broken = False

    def of(self, process: str) -> "CountsOfProcess":
        """Return the counts as one process sees them."""
        return CountsOfProcess(self, process)

    def last(self, process: str) -> LastExport | None:
        """Tell who counted last."""
        return LastExport(self.by == process, self._clock.at - self.at) if self.by else None

    def note(self, process: str) -> None:
        """Note who counted."""
        if self.is_broken:
            raise ZeroDivisionError
        self.by, self.at = process, self._clock.at
        self.counted.append(process)


class CountsOfProcess:
    """The counts as one process sees them."""

    def __init__(self, counts: Counts, process: str) -> None:
        self._counts = counts
        self._process = process
        self.figures_read = 0

    async def last_export(self) -> LastExport | None:
        """Tell who counted last."""
        return self._counts.last(self._process)

    async def count_due(self) -> int:
        """Count nothing."""
        return 1

    async def count_as_exporter(self) -> None:
        """Count."""
        self._counts.note(self._process)

    async def figures(self) -> FleetFigures:
        """Return what was counted."""
        self.figures_read += 1
        return FIGURES


class Exporter:
    """The metrics of one process."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.is_on = is_on
        self._shown: FleetFigures | None = None
        self._holds: Callable[[], bool] = bool

    def show(self, figures: FleetFigures, holds: Callable[[], bool]) -> None:
        """Show figures."""
        self._shown, self._holds = figures, holds

    def clear(self) -> None:
        """Show none."""
        self._shown = None

    @property
    def shown(self) -> FleetFigures | None:
        """Tell what a scrape reads."""
        return self._shown if self._holds() else None


class Replica:
    """One process of ingest."""

    def __init__(
        self, counts: Counts, name: str, clock: StillClock, turns: OwnTurns | None = None
    ) -> None:
        self.exporter = Exporter()
        self.store = counts.of(name)
        self._work = CountFleet(self.store, self.exporter, turns or OwnTurns(), clock, PERIOD_S)

    async def run(self) -> int:
        """Do the work of a minute."""
        return await self._work.run()

    @property
    def shown(self) -> FleetFigures | None:
        """Tell what a scrape reads."""
        return self.exporter.shown


async def test_of_two_processes_one_counts_and_shows() -> None:
    """The process that counted goes on; the other one neither counts nor shows anything."""
    clock = StillClock()
    counts = Counts(clock)
    one, two = Replica(counts, "one", clock), Replica(counts, "two", clock)
    for _ in range(3):
        assert (await one.run(), await two.run()) == (1, 0)
        assert (one.shown, two.shown) == (FIGURES, None)
        clock.at += PERIOD_S
    assert counts.counted == ["one"] * 3


async def test_another_process_takes_over_when_the_first_is_gone() -> None:
    """After two periods without a count the other one counts; what the first showed has ended."""
    clock = StillClock()
    counts = Counts(clock)
    one, two = Replica(counts, "one", clock), Replica(counts, "two", clock)
    await one.run()
    clock.at += 2 * PERIOD_S - 1
    await two.run()
    assert (one.shown, two.shown) == (FIGURES, None)
    clock.at += 1
    await two.run()
    assert (one.shown, two.shown) == (None, FIGURES)


async def test_a_process_that_comes_back_shows_nothing_of_before() -> None:
    """The first process finds that another one counts, and leaves it so."""
    clock = StillClock()
    counts = Counts(clock)
    one, two = Replica(counts, "one", clock), Replica(counts, "two", clock)
    await one.run()
    clock.at += 2 * PERIOD_S
    await two.run()
    assert await one.run() == 0
    assert (one.shown, two.shown) == (None, FIGURES)
    assert counts.by == "two"


async def test_a_count_that_fails_leaves_the_last_figures_until_they_end() -> None:
    """Figures of the last count are shown for two periods, and then none."""
    clock = StillClock()
    counts = Counts(clock)
    one = Replica(counts, "one", clock)
    await one.run()
    counts.is_broken = True
    clock.at += PERIOD_S
    with pytest.raises(ZeroDivisionError):
        await one.run()
    assert one.shown == FIGURES
    clock.at += PERIOD_S
    assert one.shown is None


async def test_a_process_without_a_turn_shows_nothing() -> None:
    """A turn that another process holds is one in which that one counts."""
    clock = StillClock()
    counts = Counts(clock)
    other = Replica(counts, "two", clock, OwnTurns(is_free=False))
    assert await other.run() == 0
    assert other.shown is None
    assert counts.counted == []


async def test_figures_are_read_only_where_metrics_are_on() -> None:
    """Without metrics the fleet is counted all the same, and no figure is read."""
    clock = StillClock()
    one = Replica(Counts(clock), "one", clock)
    one.exporter.is_on = False
    assert await one.run() == 1
    assert one.store.figures_read == 0

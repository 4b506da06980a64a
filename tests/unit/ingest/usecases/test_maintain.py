"""Each step of maintenance is repeated until nothing is left, and stops no other one."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from imagedrift_ingest.core.retention import Retention, RetentionStep
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_ingest.usecases.maintain import STEP_WITHIN_S, TURN_S, Maintain, StepsFailed
from support.turns import OwnTurns
from support.virtual_time import StillClock


class Tables:
    """Tables with so many rows for each step; each run of a step takes some time."""

    def __init__(self, clock: StillClock, takes_s: float = 0.0, **rows: int) -> None:
        self._clock = clock
        self._takes_s = takes_s
        self._rows = Counter(rows)
        self.broken: set[str] = set()
        self.ahead = timedelta()

    async def moment(self) -> datetime:
        """Tell the time."""
        return self._clock.now() + self.ahead

    async def run_step(self, step: RetentionStep) -> int:
        """Remove a row."""
        self._clock.at += self._takes_s
        if step.name in self.broken:
            raise ZeroDivisionError
        count = min(self._rows[step.name], 1)
        self._rows[step.name] -= count
        return count

    async def add_up_usage(self) -> int:
        """Change nothing."""
        return 0

    async def analyze_grown(self) -> int:
        """Change nothing."""
        return 0

    async def count_hosts(self) -> int:
        """Change nothing."""
        return 0

    async def take_trend(self) -> int:
        """Write a row."""
        return 1


def maintain(tables: Tables, clock: StillClock, turns: OwnTurns | None = None) -> Maintain:
    """Maintain these tables."""
    return Maintain(tables, turns or OwnTurns(), Retention(), clock)


async def test_a_step_is_repeated_until_nothing_is_left() -> None:
    """A step of maintenance is repeated until nothing is left."""
    clock, turns = StillClock(), OwnTurns()
    done = await maintain(Tables(clock, hosts_retired=3), clock, turns).tidy()
    assert done["hosts_retired"] == 3
    assert turns.names.count("upkeep.hosts_retired") == 1


async def test_a_turn_is_given_back_and_taken_again() -> None:
    """A long step returns its turn now and then."""
    clock, turns = StillClock(), OwnTurns()
    tables = Tables(clock, takes_s=TURN_S / 2, hosts_retired=3)
    done = await maintain(tables, clock, turns).tidy()
    assert done["hosts_retired"] == 3
    assert turns.names.count("upkeep.hosts_retired") == 2


async def test_a_step_that_takes_too_long_is_continued_by_the_next_run() -> None:
    """A step that takes too long is continued by the next run, and delays no other."""
    clock = StillClock()
    tables = Tables(clock, takes_s=STEP_WITHIN_S / 2, hosts_retired=5, trend_dropped=1)
    done = await maintain(tables, clock).tidy()
    assert (done["hosts_retired"], done["trend_dropped"]) == (3, 1)
    assert (await maintain(tables, clock).tidy())["hosts_retired"] == 2


async def test_a_step_that_fails_is_named_and_stops_no_other() -> None:
    """A failing step is named at the end, and stops no other."""
    clock = StillClock()
    tables = Tables(clock, trend_dropped=1, quotas_dropped=1)
    tables.broken = {"hosts_retired"}
    with pytest.raises(StepsFailed, match=r"not done: hosts_retired \(ZeroDivisionError\)"):
        await maintain(tables, clock).tidy()
    tables.broken = set()
    done = await maintain(tables, clock).tidy()
    assert sum(done.values()) == 0


async def test_a_step_whose_turn_is_lost_says_so() -> None:
    """Of an error of ours its words are told, and not its type."""
    clock, turns = StillClock(), OwnTurns()
    turns.run = lose_turn  # type: ignore[method-assign]
    with pytest.raises(StepsFailed, match=r"hosts_dropped \(its turn could not be kept\)"):
        await maintain(Tables(clock), clock, turns).tidy()


async def lose_turn(name: str, work: object) -> None:
    """A turn that is lost."""
    raise DatabaseUnavailable("its turn could not be kept")


@pytest.mark.parametrize("ahead", [timedelta(days=40), timedelta(days=-40)])
async def test_a_clock_that_jumped_makes_nothing_old(ahead: timedelta) -> None:
    """While the database's clock and ours differ nothing is removed, which is told."""
    clock = StillClock()
    tables = Tables(clock, hosts_retired=3)
    tables.ahead = ahead
    with pytest.raises(StepsFailed, match=r"the database.s clock is .*nothing is removed"):
        await maintain(tables, clock).tidy()

    tables.ahead = timedelta()
    assert (await maintain(tables, clock).tidy())["hosts_retired"] == 3


async def test_work_that_another_replica_does_changes_nothing_here() -> None:
    """Work whose turn another replica has returns 0 at once."""
    clock = StillClock()
    tables = Tables(clock, hosts_retired=3)
    assert await maintain(tables, clock).take_trend() == 1
    others = maintain(tables, clock, OwnTurns(is_free=False))
    assert [
        await others.take_trend(),
        await others.add_up_usage(),
        await others.count_hosts(),
        await others.analyze_grown(),
        sum((await others.tidy()).values()),
    ] == [0] * 5

"""Moments are brought back in a turn, by the time of the process."""

from datetime import datetime

from imagedrift_ingest.usecases.bring_back import BringBack
from support.turns import OwnTurns
from support.virtual_time import StillClock


class Moments:
    """Tables in which three moments lie too far ahead."""

    def __init__(self) -> None:
        self.at: list[datetime] = []

    async def bring_back(self, at: datetime) -> int:
        """Note the time."""
        self.at.append(at)
        return 3


async def test_moments_are_brought_back_by_one_replica() -> None:
    """The replica with the turn brings moments back by its own time; another one does nothing."""
    clock, tables = StillClock(), Moments()

    assert await BringBack(tables, OwnTurns(), clock).run() == 3
    assert await BringBack(tables, OwnTurns(is_free=False), clock).run() == 0
    [at] = tables.at
    assert at <= clock.now()

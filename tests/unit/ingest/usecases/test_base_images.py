"""Base images are followed where an operator asks for that, until nothing is left."""

from imagedrift_ingest.usecases.base_images import TURN, WORKS_FOR_S, FollowBaseImages
from support.turns import OwnTurns
from support.virtual_time import StillClock


class Bases:
    """Base images in memory: so many portions are left to be read and to be judged."""

    def __init__(self, clock: StillClock, read: int = 0, judged: int = 0) -> None:
        self._clock = clock
        self.takes_s = 0.0
        self.unread, self.unjudged = read, judged
        self.rested: list[bool] = []
        self.judged_after: list[int] = []

    async def rest(self, *, all_of_them: bool) -> int:
        """Note what rests."""
        self.rested.append(all_of_them)
        return 0

    async def read(self) -> int:
        """Read one portion."""
        self._clock.at += self.takes_s
        self.unread, left = max(self.unread - 1, 0), self.unread
        return left

    async def judge(self, after: int) -> int:
        """Judge one portion."""
        self.judged_after.append(after)
        self.unjudged, left = max(self.unjudged - 1, 0), self.unjudged
        return after + 10 if left else 0


async def test_all_are_read_and_judged_in_a_turn() -> None:
    """Each step is repeated until nothing is left, each time after the last key."""
    clock, turns = StillClock(), OwnTurns()
    bases = Bases(clock, read=3, judged=2)
    await FollowBaseImages(bases, turns, clock, is_wanted=True).run()
    assert (bases.unread, bases.unjudged, bases.rested) == (0, 0, [False])
    assert bases.judged_after == [0, 10, 20]
    assert turns.names == [TURN]


async def test_nothing_is_followed_unless_an_operator_asks_for_it() -> None:
    """Bases that were followed before rest, all of them."""
    clock = StillClock()
    bases = Bases(clock, read=3, judged=2)
    await FollowBaseImages(bases, OwnTurns(), clock, is_wanted=False).run()
    assert (bases.unread, bases.unjudged, bases.rested) == (3, 2, [True])


async def test_a_run_ends_after_a_while_and_has_judged_some() -> None:
    """A run with too much to read leaves some to the next."""
    clock = StillClock()
    bases = Bases(clock, read=9, judged=2)
    bases.takes_s = WORKS_FOR_S / 2
    await FollowBaseImages(bases, OwnTurns(), clock, is_wanted=True).run()
    assert (bases.unread, bases.judged_after) == (7, [0])


async def test_another_replica_that_has_the_turn_is_left_alone() -> None:
    """Without the turn nothing is done."""
    clock = StillClock()
    bases = Bases(clock, read=1)
    await FollowBaseImages(bases, OwnTurns(is_free=False), clock, is_wanted=True).run()
    assert (bases.unread, bases.rested) == (1, [])

"""Versions are followed step by step, until nothing is left or the turn has lasted long enough."""

from imagedrift_ingest.usecases.versions import WORKS_FOR_S, FollowVersions
from support.turns import OwnTurns
from support.virtual_time import StillClock


class Versions:
    """Versions in memory: so many portions of tags and of lists are left."""

    def __init__(
        self, clock: StillClock, tags: int = 0, lists: int = 0, takes_s: float = 0
    ) -> None:
        self._clock, self._takes_s = clock, takes_s
        self.tags, self.lists, self.counted, self.changed = tags, lists, 0, 0

    async def read_tags(self) -> int:
        """Read one portion."""
        self._clock.at += self._takes_s
        self.tags, left = max(self.tags - 1, 0), self.tags
        return left

    async def count(self) -> int:
        """Count."""
        self.counted += 1
        return self.changed

    async def compare_new(self) -> int:
        """Settle one portion."""
        self._clock.at += self._takes_s
        self.lists, left = max(self.lists - 1, 0), self.lists
        return left


async def test_each_step_is_repeated_until_nothing_is_left() -> None:
    """All tags are read, the hosts are counted once, and all lists are settled."""
    clock = StillClock()
    versions = Versions(clock, tags=3, lists=2)
    await FollowVersions(versions, OwnTurns(), clock).run()
    assert (versions.tags, versions.counted, versions.lists) == (0, 1, 0)


async def test_a_run_ends_after_a_while_and_the_next_goes_on() -> None:
    """A run with too much to do leaves some, and has done something of each step."""
    clock = StillClock()
    versions = Versions(clock, tags=9, lists=3, takes_s=WORKS_FOR_S / 2)
    follow = FollowVersions(versions, OwnTurns(), clock)
    await follow.run()
    assert (versions.tags, versions.counted, versions.lists) == (7, 1, 2)


async def test_hosts_are_counted_after_new_tags_and_now_and_then() -> None:
    """Hosts are counted often for a while after a new tag, and else only now and then."""
    clock = StillClock(100)
    versions = Versions(clock)
    follow = FollowVersions(versions, OwnTurns(), clock)
    for at, tags, counted in (
        (100, 0, 1), (105, 0, 1), (129, 0, 1), (130, 0, 2), (135, 1, 3), (140, 0, 4), (165, 0, 5),
        (170, 0, 5), (195, 0, 6),
    ):  # fmt: skip
        clock.at, versions.tags = at, tags
        await follow.run()
        assert versions.counted == counted, at


async def test_hosts_are_counted_often_as_long_as_repositories_are_found() -> None:
    """While counts change, as tags are found for the first time, the next count is soon."""
    clock = StillClock(100)
    versions = Versions(clock)
    follow = FollowVersions(versions, OwnTurns(), clock)
    for at, changed, counted in (
        (100, 1, 1), (105, 1, 2), (134, 0, 3), (136, 0, 3), (164, 0, 4), (170, 0, 4),
    ):  # fmt: skip
        clock.at, versions.changed = at, changed
        await follow.run()
        assert versions.counted == counted, at

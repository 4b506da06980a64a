"""How long a sweep looks, and which routes read what."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest

from imagedrift_notifier.core.claim import Claim
from imagedrift_notifier.core.due_group import Candidate, DueGroup, DueTopic, Topic
from imagedrift_notifier.core.outbound import RemovedRoute, RouteState
from imagedrift_notifier.core.route import HostFilter, MessageRoute, Routes, TopicKind
from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_notifier.usecases.claiming import Claiming
from imagedrift_notifier.usecases.sweep import Sweep
from support.notifier import NOW, route
from support.virtual_time import StillClock

REFERENCES = [f"docker.io/library/app{number:04}:1" for number in range(1200)]


class SlowDatabase:
    """Candidates without end, each of which takes a second to read."""

    def __init__(self, clock: StillClock, *, is_begun: bool = True) -> None:
        self.clock = clock
        self.is_begun = is_begun
        self.unreadable = ""
        self.reads: list[tuple[HostFilter, str]] = []

    async def candidates(
        self, routes: Sequence[MessageRoute], behind: str, most: int
    ) -> Sequence[Candidate]:
        """Name the references behind a name."""
        names = frozenset(each.name for each in routes)
        return [Candidate(each, names) for each in REFERENCES if each > behind][:most]

    async def portions(self, references: Sequence[str]) -> list[list[str]]:
        """Part references into one each."""
        return [[each] for each in references]

    async def due_topics(
        self, hosts: HostFilter, kinds: Sequence[TopicKind], references: Sequence[str]
    ) -> list[DueTopic]:
        """Read for a second, and find nothing."""
        [reference] = references
        self.reads.append((hosts, reference))
        self.clock.at += 1
        if reference == self.unreadable:
            raise DatabaseUnreachable("it takes too long")
        return []

    async def errors(self) -> list[DueGroup]:
        """No registry fails."""
        return []

    async def enter(self, routes: Sequence[str]) -> dict[str, RouteState]:
        """Return the state of each route."""
        return {name: RouteState(NOW, self.is_begun, NOW) for name in routes}

    async def drop_removed(self) -> list[RemovedRoute]:
        """Drop nothing."""
        return []

    async def bring_forward(self, latest: Mapping[str, datetime]) -> None:
        """Gather nothing."""

    async def begin(self, routes: Sequence[str]) -> None:
        """Note that routes are begun."""
        self.is_begun = True

    async def release_errors(self, routes: Sequence[str], failing: Sequence[Topic]) -> None:
        """Forget nothing."""

    async def claim(self, route: str, since: datetime, claims: Sequence[Claim]) -> int:
        """Claim nothing."""
        return 0


def sweep(database: SlowDatabase, *routes: MessageRoute) -> Sweep:
    """A sweep of some routes."""
    file = Routes(routes={each.name: each for each in routes})
    claiming = Claiming(database, database, lambda: file)
    return Sweep(database, database, claiming, lambda: file, database.clock)


async def test_a_run_looks_for_three_seconds_and_the_next_one_goes_on() -> None:
    """However slow a look is, a run ends, and each image has its turn."""
    database = SlowDatabase(StillClock())
    sweeping = sweep(database, route())
    await sweeping.run()
    assert [each for _, each in database.reads] == REFERENCES[:3]
    await sweeping.run()
    assert [each for _, each in database.reads] == REFERENCES[:6]


async def test_a_new_route_is_begun_in_one_run_however_long_that_takes() -> None:
    """All that was due before the route was made is looked at before it tells anything."""
    database = SlowDatabase(StillClock(), is_begun=False)
    await sweep(database, route()).run()
    assert [each for _, each in database.reads] == REFERENCES
    assert database.is_begun


async def test_an_image_that_cannot_be_read_does_not_keep_others_waiting() -> None:
    """The next run goes on behind the image at which one failed."""
    database = SlowDatabase(StillClock())
    database.unreadable = REFERENCES[0]
    sweeping = sweep(database, route())
    with pytest.raises(DatabaseUnreachable):
        await sweeping.run()
    await sweeping.run()
    assert [each for _, each in database.reads] == REFERENCES[:4]


async def test_routes_that_tell_of_the_same_hosts_share_a_read() -> None:
    """Fifty routes of one filter cost one read of an image, and another filter one more."""
    database = SlowDatabase(StillClock())
    alike = [route(f"r{n}", hosts=HostFilter(labels={"a": "1", "b": "2"})) for n in range(49)]
    turned = route("turned", hosts=HostFilter(labels={"b": "2", "a": "1"}))
    other = route("other", hosts=HostFilter(sites=("ber1",)))
    await sweep(database, *alike, turned, other).run()
    assert database.reads[:2] == [(alike[0].hosts, REFERENCES[0]), (other.hosts, REFERENCES[0])]
    assert len(database.reads) == 4

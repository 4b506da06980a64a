"""Which references are moved when registries begin or cease to block us."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.blocks import LONG_AGO, DueWindow, changed, due_when_open, windows
from support.ingest import NOW

HUB, QUAY = "docker.io", "quay.io"
AHEAD, SPREAD = timedelta(seconds=10), timedelta(seconds=30)
HOUR = timedelta(hours=1)


def moved_references(
    before: dict[str, datetime], now: dict[str, datetime], at: datetime = NOW
) -> list[DueWindow]:
    """Return the references that are moved."""
    return list(windows(before, now, at, ahead=AHEAD, spread=SPREAD))


def put_off(until: datetime, opens: datetime) -> DueWindow:
    """Return the references that are due before `until`."""
    return DueWindow(registry=HUB, since=LONG_AGO, until=until, opens=opens)


def test_a_block_that_begins_or_grows_moves_what_is_due_before_its_end() -> None:
    """A new or longer block moves the references of its registry that are due before its end."""
    end, later = NOW + HOUR, NOW + 2 * HOUR
    assert moved_references({}, {HUB: end}) == [put_off(end, end)]
    assert moved_references({HUB: end}, {HUB: later}) == [put_off(later, later)]


def test_a_block_that_is_known_moves_what_falls_due_inside_it_from_now_on() -> None:
    """A known block moves references that become due during it."""
    end, soon = NOW + HOUR, NOW + AHEAD / 2
    assert moved_references({HUB: end}, {HUB: end}) == [put_off(NOW + AHEAD, end)]
    assert moved_references({HUB: soon}, {HUB: soon}) == [put_off(soon, soon)]


def test_a_block_that_ends_early_brings_forward_what_waits_for_its_end() -> None:
    """A block that ends early moves its references to now, or to the earlier end."""
    end, sooner = NOW + HOUR, NOW + HOUR / 2
    waiting = DueWindow(registry=HUB, since=end, until=end + SPREAD, opens=NOW)
    assert moved_references({HUB: end}, {}) == [waiting]
    assert moved_references({HUB: end}, {HUB: sooner})[1:] == [
        DueWindow(registry=HUB, since=end, until=end + SPREAD, opens=sooner)
    ]
    assert moved_references({HUB: end}, {}, at=end) == []


def test_only_another_moment_is_another_block() -> None:
    """Only a block that begins, ends or grows is reported as changed."""
    assert changed({HUB: NOW, QUAY: NOW}, {HUB: NOW, QUAY: NOW}) == set()
    assert changed({HUB: NOW}, {HUB: NOW + HOUR, QUAY: NOW}) == {HUB, QUAY}
    assert changed({HUB: NOW}, {}) == {HUB}


@given(count=st.integers(1, 1000))
def test_a_registry_that_opens_is_asked_evenly_and_never_before(count: int) -> None:
    """After a block the references are due evenly over the spread, and never before."""
    due = [due_when_open(NOW, SPREAD, place, count) for place in range(1, count + 1)]
    assert due[0] == NOW
    assert all(one < other for one, other in pairwise(due))
    assert due[-1] < NOW + SPREAD


seconds = st.integers(0, 2000).map(lambda s: timedelta(seconds=s))
looks = st.lists(st.tuples(seconds, st.none() | seconds), min_size=1, max_size=8)


@given(dues=st.lists(seconds, min_size=1, max_size=8), looks=looks)
def test_whatever_blocks_come_and_go_references_wait_for_the_last_or_for_their_own_moment(
    dues: Sequence[timedelta], looks: Sequence[tuple[timedelta, timedelta | None]]
) -> None:
    """A reference is moved once per block, and is never due inside one."""
    own = [NOW + due for due in dues]
    waiting, known, at, opened = list(own), dict[str, datetime](), NOW, LONG_AGO
    for step, block in looks:
        at += step
        now = {HUB: at + block} if block else {}
        for window in moved_references(known, now, at):
            move(waiting, window)
        if now or at < known.get(HUB, at):
            opened = now.get(HUB, at)
        known = now
        assert all(due >= known.get(HUB, LONG_AGO) for due in waiting)
        assert all(
            due == before or opened <= due < opened + SPREAD
            for due, before in zip(waiting, own, strict=True)
        )
        unchanged = list(waiting)
        for window in moved_references(known, now, at):
            move(waiting, window)
        assert waiting == unchanged


def move(waiting: list[datetime], window: DueWindow) -> None:
    """Do with moments what the database does with references."""
    hit = [n for n, due in enumerate(waiting) if window.since <= due < window.until]
    for place, n in enumerate(hit, 1):
        waiting[n] = due_when_open(window.opens, SPREAD, place, len(hit))

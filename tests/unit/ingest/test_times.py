"""Moments that others name, held against the time at which a message was stored."""

from datetime import UTC, datetime, timedelta

import pytest

from imagedrift_ingest.core.times import DAY, past, plausible, until
from support.virtual_time import NOW

ZERO = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)
BEFORE = NOW - timedelta(days=400)
SOON = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("told", "made", "done", "to_come"),
    [
        (ZERO, None, NOW, None),
        (datetime(1970, 1, 1, tzinfo=UTC), None, NOW, None),
        (BEFORE, BEFORE, BEFORE, BEFORE),
        (NOW, NOW, NOW, NOW),
        (SOON, None, NOW, SOON),
        (LAST, None, NOW, NOW + DAY),
    ],
)
def test_a_moment_is_believed_as_far_as_it_can_be(
    told: datetime, made: datetime | None, done: datetime, to_come: datetime | None
) -> None:
    """Each row of the table at the head of the module."""
    assert plausible(told, NOW) == made
    assert past(told, NOW) == done
    assert until(told, NOW) == to_come


def test_no_moment_is_none() -> None:
    """A moment that a message does not name stays unnamed."""
    assert plausible(None, NOW) is None
    assert until(None, NOW) is None

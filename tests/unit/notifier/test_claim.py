"""Claims of all that is due: kinds of the route, and not what was due before it."""

from datetime import timedelta

import pytest

from imagedrift_notifier.core.claim import claims_of
from imagedrift_notifier.core.schedule import RouteSchedule
from support.notifier import NOW, group, route

SOON = NOW + timedelta(seconds=30)


def test_what_is_due_is_claimed_for_the_time_of_its_route() -> None:
    """A claim has the moment at which its route sends."""
    [claim] = claims_of(route(), [group().due], None, NOW)

    assert (claim.topic, claim.send_at) == (group().topic, SOON)


def test_a_kind_that_a_route_does_not_tell_is_not_claimed() -> None:
    """Errors and missing tags are told only where they are asked for."""
    groups = [group(kind=kind).due for kind in ("error", "missing", "version")]

    assert [c.topic.kind for c in claims_of(route(), groups, None, NOW)] == ["version"]
    told = claims_of(route(kinds=("error",)), groups, None, NOW)
    assert [c.topic.kind for c in told] == ["error"]


@pytest.mark.parametrize(
    ("due", "is_sent"),
    [(-1, False), (0, True), (1, True)],
)
def test_what_was_due_before_a_new_route_is_claimed_without_being_sent(
    due: int, is_sent: bool
) -> None:
    """A new route floods nobody."""
    groups = [group(due_at=NOW + timedelta(seconds=due)).due]

    [claim] = claims_of(route(), groups, NOW, NOW)

    assert (claim.send_at is not None) is is_sent


def test_an_image_without_a_time_was_due_before() -> None:
    """Without a time at which it became due, it is not news."""
    [claim] = claims_of(route(schedule=RouteSchedule()), [group(due_at=None).due], NOW, NOW)

    assert claim.send_at is None

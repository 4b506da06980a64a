"""How a route stands."""

from imagedrift_notifier.core.outbound import RouteState
from support.notifier import NOW


def test_what_was_before_is_known_until_a_route_is_begun() -> None:
    """A route that is begun tells all that it has not told yet."""
    assert RouteState(NOW, is_begun=False, now=NOW).known_until(backlog=False) == NOW
    assert RouteState(NOW, is_begun=True, now=NOW).known_until(backlog=False) is None


def test_a_backlog_is_told_unless_the_database_was_restored() -> None:
    """A restored database does not know what of the backlog was told."""
    assert RouteState(NOW, is_begun=False, now=NOW).known_until(backlog=True) is None
    restored = RouteState(NOW, is_begun=False, now=NOW, is_restored=True)
    assert restored.known_until(backlog=True) == NOW

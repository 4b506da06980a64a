"""How a route stands."""

from imagedrift_notifier.core.outbound import RouteState
from support.notifier import NOW


def test_what_was_before_is_known_until_a_route_is_begun() -> None:
    """A route that is begun tells all that it has not told yet."""
    assert RouteState(NOW, is_begun=False, now=NOW).known_until == NOW
    assert RouteState(NOW, is_begun=True, now=NOW).known_until is None

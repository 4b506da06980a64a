"""Moments that others wrote down, by clocks that may be wrong."""

from datetime import timedelta

import pytest

from imagedrift_resolver.core.clock_skew import MAY_DIFFER_S, is_in_future
from support.virtual_time import NOW


@pytest.mark.parametrize(
    ("ahead_s", "is_wrong"),
    [(-1e6, False), (0, False), (MAY_DIFFER_S, False), (MAY_DIFFER_S + 1, True), (1e6, True)],
)
def test_a_moment_is_in_the_future_by_more_than_clocks_differ(
    ahead_s: float, is_wrong: bool
) -> None:
    """A minute ahead is a clock as clocks are; more is one that was set wrong."""
    assert is_in_future(NOW + timedelta(seconds=ahead_s), NOW) is is_wrong

"""Nothing is removed by a clock that another one contradicts."""

from datetime import UTC, datetime, timedelta

import pytest

from imagedrift_runtime.clock_agreement import ClocksDisagree, require_agreement

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (timedelta(hours=1), "1:00:00 ahead of"),
        (timedelta(days=-400), "400 days, 0:00:00 behind"),
        (datetime(9999, 1, 1, tzinfo=UTC) - NOW, "days, 0:00:00 ahead of"),
    ],
)
def test_clocks_that_are_apart_are_told_by_how_much(apart: timedelta, words: str) -> None:
    """Clocks that differ by an hour or more disagree, whichever is ahead."""
    with pytest.raises(ClocksDisagree, match=words):
        require_agreement(NOW + apart, NOW)


def test_clocks_that_differ_by_less_agree() -> None:
    """Clocks within an hour agree."""
    refused = []
    for minutes in (-60, -59, 0, 59, 60):
        try:
            require_agreement(NOW + timedelta(minutes=minutes), NOW)
        except ClocksDisagree:
            refused.append(minutes)
    assert refused == [-60, 60]

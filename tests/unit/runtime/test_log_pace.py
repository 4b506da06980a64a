"""The pace of logs: lines at once, then some now and then, and the rest counted."""

from imagedrift_runtime.log_pace import Allowance, LogPace

FEW = Allowance(at_once=2, one_per_s=10.0)


def test_the_first_lines_are_written_at_once() -> None:
    """As many as are allowed, and no more in the same moment."""
    pace = LogPace(lambda: 0.0)

    assert [pace.take("link.lost", FEW) for _ in range(4)] == [0, 0, None, None]


def test_the_next_line_tells_how_many_were_not_written() -> None:
    """The count begins anew with each line that is written."""
    now = [0.0]
    pace = LogPace(lambda: now[0])
    for _ in range(5):
        pace.take("link.lost", FEW)

    now[0] = 10.0
    assert pace.take("link.lost", FEW) == 3
    now[0] = 20.0
    assert pace.take("link.lost", FEW) == 0


def test_a_long_quiet_allows_no_more_lines_than_at_first() -> None:
    """Lines that were allowed and not written do not add up."""
    now = [0.0]
    pace = LogPace(lambda: now[0])
    pace.take("link.lost", FEW)

    now[0] = 1e6

    assert [pace.take("link.lost", FEW) for _ in range(3)] == [0, 0, None]

"""An object that cannot be read is tried again, ever more seldom."""

import itertools

from imagedrift_agent.core.unreadable import LONGEST_PAUSE, UnreadableObjects


def attempts(passes: int) -> list[int]:
    """The passes in which an object is asked for that always fails."""
    unreadable, asked = UnreadableObjects(), []
    for number in range(passes):
        unreadable.begin_pass(["a"])
        if unreadable.is_due("a"):
            asked.append(number)
            unreadable.failed("a")
    return asked


def test_the_passes_between_two_attempts_double_up_to_a_bound() -> None:
    """A pass over an unchanged host stays cheap, and a healed object is found in the end."""
    asked = attempts(1000)
    gaps = [later - sooner for sooner, later in itertools.pairwise(asked)]

    assert gaps[:7] == [1, 2, 4, 8, 16, 32, 64]
    assert set(gaps[7:]) == {LONGEST_PAUSE}


def test_an_object_that_was_read_or_is_gone_is_forgotten() -> None:
    """The next failure of a forgotten object is a first one."""
    unreadable = UnreadableObjects()
    unreadable.begin_pass(["read", "gone", "sick"])
    for key in ("read", "gone", "sick"):
        unreadable.failed(key)
    unreadable.recovered("read")
    unreadable.begin_pass(["read", "sick"])

    assert len(unreadable) == 1
    assert "sick" in unreadable
    assert "gone" not in unreadable

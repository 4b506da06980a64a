"""A test waits for a condition, and its failure names the condition."""

import pytest

from support.polling import until


async def test_what_becomes_true_is_returned() -> None:
    """`until` repeats a condition until its value is true, and returns that."""
    answers = iter([0, "", None, "here"])

    assert await until(lambda: next(answers), what="an answer") == "here"


async def test_a_condition_may_be_awaitable() -> None:
    """`until` awaits the value of a coroutine."""
    answers = iter([[], [1]])

    async def ask() -> list[int]:
        return next(answers)

    assert await until(ask, what="an answer") == [1]


async def test_what_does_not_come_is_named() -> None:
    """A condition that stays false fails with its name and time limit."""
    with pytest.raises(AssertionError, match=r"^not within 0 s: the moon$"):
        await until(lambda: False, what="the moon", within_s=0)

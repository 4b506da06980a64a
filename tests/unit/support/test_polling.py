"""Tests wait for a condition, and are told which one did not come."""

import pytest

from support.polling import until


async def test_what_becomes_true_is_returned() -> None:
    """The condition is asked until it gives something true."""
    answers = iter([0, "", None, "here"])

    assert await until(lambda: next(answers), what="an answer") == "here"


async def test_a_condition_may_be_awaitable() -> None:
    """The value of a coroutine is waited for as well."""
    answers = iter([[], [1]])

    async def ask() -> list[int]:
        return next(answers)

    assert await until(ask, what="an answer") == [1]


async def test_what_does_not_come_is_named() -> None:
    """The bound and what was waited for stand in the failure."""
    with pytest.raises(AssertionError, match=r"^not within 0 s: the moon$"):
        await until(lambda: False, what="the moon", within_s=0)

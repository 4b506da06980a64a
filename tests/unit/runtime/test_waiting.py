"""Waits end early when something happens, and leave no task behind."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_runtime.waiting import (
    backoff,
    first_result_or,
    given_up_at,
    wait,
    wait_for_any,
)


async def test_a_wait_ends_with_its_time() -> None:
    """Without an event, and with one that nobody sets."""
    never = asyncio.Event()
    async with asyncio.timeout(10) as bound:
        await wait(never, 0.0)
        await wait_for_any(0.0, never, asyncio.Event())

    assert not never.is_set()
    assert not bound.expired()


async def test_a_wait_ends_with_any_event() -> None:
    """An hour's wait is over as soon as one of its events is set."""
    is_set = asyncio.Event()
    is_set.set()

    async with asyncio.timeout(10) as bound:
        await wait(is_set, 3600.0)
        await wait_for_any(3600.0, asyncio.Event(), is_set)

    assert not bound.expired()


async def test_a_cancelled_wait_leaves_no_task_behind() -> None:
    """The tasks that wait for its events end with it."""
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(wait_for_any(3600.0, asyncio.Event(), asyncio.Event()))
    await asyncio.sleep(0)  # the task begins
    waiting.cancel()

    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.gather(*(asyncio.all_tasks() - before), return_exceptions=True)

    assert asyncio.all_tasks() == before


async def test_a_result_is_given_up_at_an_event() -> None:
    """A fetch that is under way is cancelled; one that is done returns its messages."""
    is_set, never = asyncio.Event(), asyncio.Event()
    is_set.set()

    async def endless() -> list[str]:
        await never.wait()
        return ["late"]

    async def finish() -> list[str]:
        return ["message"]

    async with asyncio.timeout(10):
        assert await first_result_or(endless(), is_set) == []
        assert await first_result_or(finish(), never) == ["message"]


@given(st.integers(0, 10_000))
def test_a_failed_fetch_always_waits(failures: int) -> None:
    """At least a tenth of a second, at most ten: a loop that does not wait spins."""
    assert 0.1 <= backoff(failures) <= 10


async def test_work_that_is_done_before_the_event_has_its_result() -> None:
    """The result of finished work counts, and its exception is raised."""

    async def fail() -> str:
        raise ZeroDivisionError

    never = asyncio.Event()

    assert await given_up_at(never, asyncio.sleep(0, "done"), "given up") == "done"
    with pytest.raises(ZeroDivisionError):
        await given_up_at(never, fail(), "given up")


async def test_work_is_cancelled_at_the_event_and_waited_for() -> None:
    """The result is there only after the work has put things back."""
    event, is_put_back = asyncio.Event(), False

    async def work() -> str:
        nonlocal is_put_back
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            is_put_back = True
        return "done"

    before = asyncio.all_tasks()
    asyncio.get_running_loop().call_soon(event.set)

    assert await given_up_at(event, work(), "given up") == "given up"
    assert is_put_back
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before

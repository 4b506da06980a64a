"""Slots for the questions that one registry is asked, and the queue for one."""

import asyncio

import pytest

from imagedrift_resolver.slots import CONFIRM_S, STALLED_S, STALLED_WAITERS, WAIT_S, NoSlot, Slots
from support.virtual_time import VirtualClock

pytestmark = pytest.mark.virtual_time

STALL_S = STALLED_S + CONFIRM_S


class Limit:
    """How many slots there are now."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> int:
        """Tell it."""
        return self.count


def slots(count: int) -> Slots:
    """Make so many slots."""
    return Slots(Limit(count), VirtualClock())


def queue(held: Slots, count: int) -> "list[asyncio.Task[bool]]":
    """Let questions wait for a slot, which they keep."""

    async def wait() -> bool:
        try:
            await held.acquire()
        except NoSlot:
            return False
        return True

    return [asyncio.create_task(wait()) for _ in range(count)]


def states(tasks: "list[asyncio.Task[bool]]") -> list[bool | None]:
    """Tell of each question whether it has a slot, is sent away, or (None) waits."""
    return [task.result() if task.done() else None for task in tasks]


async def let_tasks_run() -> None:
    """Let everything that can run do so, without any time passing."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_questions_are_admitted_than_there_are_slots() -> None:
    """No more questions are admitted than there are slots, in order."""
    held = slots(2)
    asking = queue(held, 4)
    await let_tasks_run()
    assert states(asking) == [True, True, None, None]
    held.release()
    await let_tasks_run()
    assert states(asking) == [True, True, True, None]
    held.release()
    assert await asking[3]


async def test_a_slot_is_held_for_the_length_of_an_async_with() -> None:
    """A slot is released after any exception."""
    held = slots(1)

    async def fail() -> None:
        async with held.slot():
            assert held.in_use == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert held.in_use == 0


async def test_a_larger_limit_admits_more() -> None:
    """A larger limit admits more questions at once."""
    limit = Limit(1)
    held = Slots(limit, VirtualClock())
    asking = queue(held, 4)
    await let_tasks_run()
    limit.count = 3
    held.release()
    await let_tasks_run()
    assert states(asking) == [True] * 4


async def test_a_question_that_is_cancelled_keeps_no_slot() -> None:
    """A cancelled question keeps no slot and no place in the queue."""
    held = slots(1)
    asking = queue(held, 4)
    await let_tasks_run()
    asking[1].cancel()
    held.release()
    await let_tasks_run()
    assert asking[2].done()
    held.release()
    asking[3].cancel()
    await let_tasks_run()
    await asyncio.wait_for(held.acquire(), 1)


async def test_a_question_that_waits_too_long_is_sent_away() -> None:
    """A question that waits too long for a slot is put off."""
    held = slots(1)
    asking = queue(held, 2)
    await asyncio.sleep(WAIT_S - 0.1)
    assert states(asking) == [True, None]
    await asyncio.sleep(0.2)
    assert states(asking) == [True, False]


async def test_a_registry_that_does_not_answer_keeps_few_questions_waiting() -> None:
    """A registry that does not answer has few questions waiting."""
    held = slots(1)
    asking = queue(held, 1 + STALLED_WAITERS + 3)
    await asyncio.sleep(STALL_S + 0.1)
    assert states(asking) == [True] + [None] * STALLED_WAITERS + [False] * 3
    held.admit_all()
    await let_tasks_run()
    assert states(asking)[: 1 + STALLED_WAITERS] == [True] * (1 + STALLED_WAITERS)


async def test_a_question_to_a_registry_that_does_not_answer_is_sent_away_at_once() -> None:
    """A question to a registry that does not answer is put off at once."""
    held = slots(1)
    queue(held, 1 + STALLED_WAITERS + 1)
    await asyncio.sleep(STALL_S + 0.1)
    late = queue(held, 1)
    await let_tasks_run()
    assert states(late) == [False]
    held.release()
    later = queue(held, 1)
    await let_tasks_run()
    assert states(later) == [None]


class StoppedClock(VirtualClock):
    """A clock that can run on while the process stands still."""

    stood_still_s = 0.0

    def monotonic(self) -> float:
        """Tell the loop's time, and how long the process stood still."""
        return super().monotonic() + self.stood_still_s


async def test_a_process_that_stood_still_sends_no_question_away() -> None:
    """A process that was paused puts no question off before it has read the response."""
    clock = StoppedClock()
    held = Slots(Limit(1), clock)
    asking = queue(held, 1 + STALLED_WAITERS + 3)
    await asyncio.sleep(STALLED_S - 0.01)
    clock.stood_still_s = 5
    await asyncio.sleep(0.02)
    held.release()  # the response was there all the time
    await asyncio.sleep(CONFIRM_S)
    assert states(asking) == [True, True] + [None] * (STALLED_WAITERS + 2)

"""Places for requests that are under way, and the queue for one."""

import asyncio
import time

import pytest

from imagedrift_resolver import places
from imagedrift_resolver.places import Places


async def settle() -> None:
    """Let everything that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_are_let_in_than_there_is_room_for() -> None:
    """Who waits is served in order."""
    held = Places(lambda: 2)
    assert await held.take()
    assert await held.take()
    third, fourth = asyncio.create_task(held.take()), asyncio.create_task(held.take())
    await settle()
    assert not third.done()
    held.give_back()
    await settle()
    assert third.done()
    assert not fourth.done()
    held.give_back()
    assert await fourth


async def test_more_room_lets_more_in() -> None:
    """The room may grow and shrink while requests are under way."""
    room = 1
    held = Places(lambda: room)
    assert await held.take()
    waiting = [asyncio.create_task(held.take()) for _ in range(3)]
    await settle()
    room = 3
    held.give_back()
    await settle()
    assert [task.done() for task in waiting] == [True, True, True]


async def test_who_gives_up_takes_no_place() -> None:
    """A cancelled waiter is passed over, and one cancelled with its place in hand returns it."""
    held = Places(lambda: 1)
    assert await held.take()
    first, second = asyncio.create_task(held.take()), asyncio.create_task(held.take())
    await settle()
    first.cancel()
    held.give_back()
    await settle()
    assert await second
    third = asyncio.create_task(held.take())
    await settle()
    held.give_back()
    third.cancel()
    await settle()
    assert await asyncio.wait_for(held.take(), 1)


async def test_waiting_too_long_is_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the bound the answer is no."""
    monkeypatch.setattr(places, "WAIT_S", 0.02)
    held = Places(lambda: 1)
    assert await held.take()
    assert not await asyncio.wait_for(held.take(), 1)


async def test_a_registry_that_does_not_move_keeps_few_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All but a few are sent away, the newest first, so that a shared lane moves on."""
    monkeypatch.setattr(places, "STALLED_S", 0.05)
    monkeypatch.setattr(places, "CONFIRM_S", 0.05)
    monkeypatch.setattr(places, "STALLED_WAITERS", 2)
    held = Places(lambda: 1)
    assert await held.take()
    waiting = [asyncio.create_task(held.take()) for _ in range(5)]
    done, pending = await asyncio.wait(waiting, timeout=0.4)
    assert {task.result() for task in done} == {False}
    assert pending == set(waiting[:2])
    held.let_all_in()
    assert await asyncio.gather(*pending) == [True, True]


async def test_who_comes_to_a_registry_that_does_not_move_is_sent_away_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until something moves: then new ones wait again."""
    monkeypatch.setattr(places, "STALLED_S", 0.05)
    monkeypatch.setattr(places, "CONFIRM_S", 0.05)
    monkeypatch.setattr(places, "STALLED_WAITERS", 2)
    held = Places(lambda: 1)
    assert await held.take()
    waiting = [asyncio.create_task(held.take()) for _ in range(3)]
    done, _ = await asyncio.wait(waiting, timeout=0.4, return_when=asyncio.FIRST_COMPLETED)
    assert done == {waiting[2]}
    late = asyncio.create_task(held.take())
    await settle()
    assert late.done()
    assert not late.result()
    held.give_back()
    after = asyncio.create_task(held.take())
    await settle()
    assert not after.done()
    held.let_all_in()
    assert all(await asyncio.gather(waiting[0], waiting[1], after))


async def test_a_process_that_stood_still_sends_nobody_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a pause of our own what has come is read first: then the registry did move."""
    monkeypatch.setattr(places, "STALLED_S", 0.05)
    monkeypatch.setattr(places, "STALLED_WAITERS", 0)
    held = Places(lambda: 1)
    assert await held.take()
    waiting = [asyncio.create_task(held.take()) for _ in range(3)]
    await settle()
    time.sleep(0.2)  # noqa: ASYNC251 - the process stands still
    await settle()
    held.give_back()  # the response was there all the time
    await asyncio.sleep(0.02)
    assert [task.done() for task in waiting] == [True, False, False]
    held.let_all_in()
    assert all(await asyncio.gather(*waiting))

"""No two batches make images of one reference at a time, and who waits is next."""

import asyncio
from collections import Counter

import pytest

from imagedrift_ingest.adapters.postgres.reference_locks import ReferenceLocks
from imagedrift_ingest.core.identities import ImageKey
from support.ingest import digest


def keys(references: str, version: int = 1) -> list[ImageKey]:
    """One image of each reference, which has a letter for its name."""
    return [ImageKey(name, digest(version), (), "linux/amd64") for name in references]


async def make_all(
    locks: ReferenceLocks, wanted: list[ImageKey], most: int, order: list[ImageKey]
) -> None:
    """Make images, so many at a time, and note each when it is made."""
    while wanted:
        async with locks.take(wanted, most) as some:
            assert 0 < len(some) <= most
            await asyncio.sleep(0)
            order += some
        wanted = [key for key in wanted if key not in some]


async def test_batches_without_a_common_reference_work_at_once() -> None:
    """A batch takes what no other holds, and leaves the rest for later."""
    locks = ReferenceLocks()
    async with locks.take(keys("abc"), 2) as first, locks.take(keys("abcd"), 2) as second:
        assert (first, second) == (keys("ab"), keys("cd"))


async def test_a_batch_waits_for_a_reference_that_another_holds() -> None:
    """An image of a held reference is taken when it is released, also another version of it."""
    locks = ReferenceLocks()
    order: list[ImageKey] = []
    async with locks.take(keys("a"), 1):
        task = asyncio.create_task(make_all(locks, keys("a", 2), 1, order))
        await asyncio.sleep(0)
        assert not order
    await task
    assert order == keys("a", 2)


async def test_who_waits_comes_before_who_comes_back() -> None:
    """A batch of many images does not overtake one that waits for its reference."""
    locks = ReferenceLocks()
    order: list[ImageKey] = []
    many = [key for n in range(10) for key in keys("a", n)]
    few = keys("a", 99)
    await asyncio.gather(make_all(locks, many, 2, order), make_all(locks, few, 2, order))
    assert order == [*many[:2], *few, *many[2:]]


async def hold_and_fail(locks: ReferenceLocks, order: list[ImageKey]) -> None:
    """Hold a reference that another batch waits for, and fail."""
    async with locks.take(keys("a"), 1):
        asyncio.get_running_loop().call_soon(order.extend, keys("a"))
        await asyncio.sleep(0)
        raise ZeroDivisionError


async def test_a_batch_that_fails_releases_what_it_held() -> None:
    """The references of a batch that fails go to one that waits for them."""
    locks = ReferenceLocks()
    order: list[ImageKey] = []
    failing = asyncio.create_task(hold_and_fail(locks, order))
    waiting = asyncio.create_task(make_all(locks, keys("a", 2), 1, order))
    with pytest.raises(ZeroDivisionError):
        await failing
    await waiting
    assert order == [*keys("a"), *keys("a", 2)]


async def test_a_batch_that_is_cancelled_awaits_nothing_any_more() -> None:
    """A batch that gave up holds up no batch behind it."""
    locks = ReferenceLocks()
    async with locks.take(keys("a"), 1):
        cancelled = asyncio.create_task(make_all(locks, keys("a"), 1, []))
        await asyncio.sleep(0)
        cancelled.cancel()
    async with locks.take(keys("a"), 1) as some:
        assert some == keys("a")


async def test_many_batches_make_every_image_once() -> None:
    """All batches end, whatever they have in common, and nothing is left out."""
    locks = ReferenceLocks()
    order: list[ImageKey] = []
    wanted = [keys("abcd"), keys("dcba", 2), keys("bd", 3), keys("a", 4), keys("ddd", 5)[:1]]
    await asyncio.gather(*(make_all(locks, each, 2, order) for each in wanted))
    assert Counter(order) == Counter(key for each in wanted for key in each)

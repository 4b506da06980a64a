"""Lists of tags give way: to questions that wait, to a pace in use, to a registry in trouble."""

import asyncio
from datetime import timedelta

import pytest

from imagedrift_resolver.admission import NotAdmitted
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.list_limiter import AGAIN_S, ListLimiter
from imagedrift_resolver.pacer import LONGEST_WAIT_S
from imagedrift_resolver.rate_limiter import RegistryLimiter
from imagedrift_resolver.slots import GIVE_BACK_S, WAIT_S
from imagedrift_runtime.registries.operator_file import parse
from imagedrift_schemas.v1 import Failure, Found, Limited, Unreachable
from support.shared_states import SharedStates, ask, limiter_of, replica
from support.virtual_time import NOW, VirtualClock

pytestmark = pytest.mark.virtual_time

ONE_SLOT = parse('[registry."r.example"]\nmax_connections = 1')
PACED = parse('[registry."r.example"]\nrequests_per_second = 2')
GOOD = Found(digest="sha256:" + "a" * 64)
USED_UP = Reply(200, {"ratelimit-limit": ("100;w=60",), "ratelimit-remaining": ("0;w=60",)})
HALF_USED = Reply(200, {"ratelimit-limit": ("100;w=60",), "ratelimit-remaining": ("50;w=60",)})


def one_slot() -> RegistryLimiter:
    """A registry that is asked one thing at a time."""
    return limiter_of(replica(SharedStates(), ONE_SLOT))


def lists_of(limiter: RegistryLimiter) -> ListLimiter:
    """Lists of a registry."""
    return ListLimiter(limiter, VirtualClock())


async def read_page(lists: ListLimiter, seconds: float = 0.0) -> Failure | None:
    """Read a page that takes so long. Returns why it was not read, or not to its end."""
    try:
        async with lists.turn("HEAD"):
            await asyncio.sleep(seconds)
    except NotAdmitted as refused:
        return refused.failure
    return None


async def list_once(lists: ListLimiter, outcome: object) -> Failure | None:
    """Make a list with that outcome. Returns why it was not made."""
    try:
        async with lists.admit("q") as admission:
            admission.outcome = outcome
    except NotAdmitted as refused:
        return refused.failure
    return None


async def test_a_page_waits_while_a_question_is_asked() -> None:
    """A page is read as soon as no question needs the only slot."""
    limiter = one_slot()
    async with limiter.admit("HEAD", "question", hosts=1) as admission:
        page = asyncio.create_task(read_page(lists_of(limiter)))
        await asyncio.sleep(1)
        assert not page.done()
        admission.outcome = GOOD

    assert await page is None


async def test_a_page_that_a_question_waits_for_is_given_up() -> None:
    """A question waits half a second at most for a page that hangs; the list comes again."""
    limiter = one_slot()
    page = asyncio.create_task(read_page(lists_of(limiter), seconds=15))
    await asyncio.sleep(5)

    began = asyncio.get_running_loop().time()
    assert await ask(limiter, "question", GOOD) is None

    assert asyncio.get_running_loop().time() - began == pytest.approx(GIVE_BACK_S)
    refused = await page
    assert isinstance(refused, Limited)
    assert refused.until
    assert (refused.until - NOW).total_seconds() == pytest.approx(5 + GIVE_BACK_S + AGAIN_S)


async def test_a_short_page_that_a_question_waits_for_is_read() -> None:
    """A page that ends within the time to give back is not given up."""
    limiter = one_slot()
    page = asyncio.create_task(read_page(lists_of(limiter), seconds=0.4))
    await asyncio.sleep(0.1)

    assert await ask(limiter, "question", GOOD) is None
    assert await page is None


async def test_questions_without_end_put_a_list_off() -> None:
    """A page that got no slot in ten seconds is put off, and leaves nothing behind."""
    limiter = one_slot()
    async with limiter.admit("HEAD", "question", hosts=1) as admission:
        refused = await read_page(lists_of(limiter))
        admission.outcome = GOOD

    assert isinstance(refused, Limited)
    assert refused.until == NOW + timedelta(seconds=WAIT_S + AGAIN_S)
    assert limiter.slots.in_use == limiter.slots.lent == 0
    assert await ask(limiter, "question", GOOD) is None


async def test_a_page_that_breaks_off_gives_its_slot_back() -> None:
    """The slot is there again after any exception."""
    limiter = one_slot()
    with pytest.raises(ZeroDivisionError):
        async with lists_of(limiter).turn("HEAD"):
            raise ZeroDivisionError

    assert limiter.slots.in_use == 0


async def test_a_page_that_hangs_does_not_make_its_registry_silent() -> None:
    """The registry's standing in its lane depends on questions alone."""
    limiter = limiter_of(replica(SharedStates()))
    await ask(limiter, "question", GOOD, Reply(200))
    page = asyncio.create_task(read_page(lists_of(limiter), seconds=5))
    await asyncio.sleep(3)

    assert limiter.is_answering()
    assert await page is None


async def test_no_page_is_read_from_the_last_half_of_a_limit() -> None:
    """Questions may use up the limit, lists one half of it."""
    limiter = limiter_of(replica(SharedStates()))
    await ask(limiter, "question", GOOD, HALF_USED)

    refused = await read_page(lists_of(limiter))

    assert isinstance(refused, Limited)
    assert "half of the limit" in refused.reason
    assert await ask(limiter, "question", GOOD) is None


async def test_lists_of_docker_hub_count_as_no_pulls() -> None:
    """Where the pull limit is used up, tags are listed all the same."""
    hub = Site(registry="docker.io", api=parse_url("https://registry-1.docker.io"))
    limiter = replica(SharedStates()).of(hub)
    await limiter.observe(USED_UP, "GET")
    lists = lists_of(limiter)

    assert await list_once(lists, None) is None
    assert await read_page(lists) is None
    assert isinstance(await limiter.wait_turn("GET"), Limited)


async def test_a_page_takes_no_turn_of_a_pace_that_questions_use() -> None:
    """Where the pace is promised to others for seconds, a page comes after them."""
    limiter = limiter_of(replica(SharedStates(), PACED))
    questions = [asyncio.create_task(limiter.wait_turn("HEAD")) for _ in range(6)]
    await asyncio.sleep(0)
    page = asyncio.create_task(read_page(lists_of(limiter)))

    await asyncio.gather(*questions)
    assert not page.done()
    assert await page is None


async def test_a_page_does_not_wait_for_a_pace_that_is_promised_for_long() -> None:
    """A list is put off until the turns that others have are over."""
    limiter = limiter_of(replica(SharedStates(), PACED))
    questions = [asyncio.create_task(limiter.wait_turn("HEAD")) for _ in range(40)]
    await asyncio.sleep(0)

    refused = await read_page(lists_of(limiter))

    assert isinstance(refused, Limited)
    assert refused.until
    assert refused.until > NOW + timedelta(seconds=LONGEST_WAIT_S)
    await asyncio.gather(*questions)


async def test_failed_lists_are_not_held_against_their_registry() -> None:
    """After three in a row no list is made for a while, and every question is asked."""
    limiter = limiter_of(replica(SharedStates()))
    lists = lists_of(limiter)
    for _ in range(3):
        assert await list_once(lists, Unreachable(reason="read timeout")) is None

    refused = await list_once(lists, None)

    assert isinstance(refused, Unreachable)
    assert "not asked" in refused.reason
    assert await ask(limiter, "question", GOOD) is None
    assert isinstance(await list_once(lists_of(limiter), None), Unreachable)


async def test_a_list_is_no_probe_of_a_registry_that_failed() -> None:
    """While it is found out whether a registry is back, no list is made."""
    limiter = limiter_of(replica(SharedStates()))
    for _ in range(3):
        await ask(limiter, "question", Unreachable(reason="no connection"))

    at_once = await list_once(lists_of(limiter), None)
    await asyncio.sleep(600)
    later = await list_once(lists_of(limiter), None)
    await ask(limiter, "question", GOOD)

    assert isinstance(at_once, Unreachable)
    assert isinstance(later, Limited)
    assert await list_once(lists_of(limiter), None) is None


async def test_a_limit_stops_lists_and_questions() -> None:
    """A 429 to a list stops all requests to its registry, as one to a question does."""
    limiter = limiter_of(replica(SharedStates()))
    lists = lists_of(limiter)
    await lists.observe(Reply(429, {"retry-after": ("600",)}), "HEAD")

    assert isinstance(await list_once(lists, None), Limited)
    assert isinstance(await ask(limiter, "question", GOOD), Limited)

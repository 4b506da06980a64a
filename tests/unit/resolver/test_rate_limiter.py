"""A registry's limiter: what it learns reaches the other replicas, whatever NATS does."""

import asyncio
from datetime import timedelta

import pytest

from imagedrift_resolver.admission import NotAdmitted
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.rate_limiter import RegistryLimiter
from imagedrift_runtime.registries.operator_file import parse
from imagedrift_schemas.v1 import Failure, Found, Limited, Unreachable
from support.shared_states import Lanes, SharedStates, ask, limiter_of, replica
from support.virtual_time import NOW, stand_still

pytestmark = pytest.mark.virtual_time

ALONE = parse('[registry."r.example"]\nmax_connections = 1')
"""The registry has a lane of its own, and one slot."""
GOOD = Found(digest="sha256:" + "a" * 64)
TOO_MANY = Reply(429, {"retry-after": ("600",)})


async def refusal(limiter: RegistryLimiter, question: str = "q") -> Failure | None:
    """Tell why a question is not admitted."""
    return await ask(limiter, question)


async def test_a_block_is_shared_at_once() -> None:
    """A block is shared with all replicas at once."""
    states, lanes = SharedStates(), Lanes()
    await ask(limiter_of(replica(states, lanes=lanes)), "q", None, TOO_MANY)
    assert isinstance(await refusal(limiter_of(replica(states))), Limited)
    assert lanes.paused == {"r.example": NOW + timedelta(seconds=600)}


async def test_a_block_that_could_not_be_shared_is_shared_later() -> None:
    """A block that NATS could not store is stored later."""
    states = SharedStates()
    first = replica(states)
    states.is_away = True
    await ask(limiter_of(first), "q", None, TOO_MANY)
    await first.flush()
    assert not states.rows

    states.is_away = False
    await first.flush()
    assert isinstance(await refusal(limiter_of(replica(states))), Limited)


async def test_a_limit_of_another_host_that_a_question_needs_stops_the_questions() -> None:
    """A token endpoint's 429 blocks the questions that need it."""
    limiter = limiter_of(replica(SharedStates()))
    await limiter.observe_limit(Limited(reason="token endpoint: 429", until=None))
    refused = await refusal(limiter)
    assert isinstance(refused, Limited)
    assert "token endpoint: 429" in refused.reason
    assert not limiter.has_answered


async def test_one_question_at_a_time_is_asked_of_a_registry_that_is_new() -> None:
    """A new registry gets one question at a time."""
    limiter = limiter_of(replica(SharedStates(), ALONE))
    async with limiter.admit("HEAD", "first", hosts=1) as first:
        second = asyncio.create_task(ask(limiter, "second", GOOD))
        await asyncio.sleep(1)
        assert not second.done()
        first.outcome = GOOD
    assert await second is None


async def test_a_question_that_waits_too_long_for_a_slot_is_put_off() -> None:
    """A question that waits too long for a slot is put off."""
    limiter = limiter_of(replica(SharedStates(), ALONE))
    async with limiter.admit("HEAD", "first", hosts=1):
        refused = await refusal(limiter, "second")
    assert isinstance(refused, Limited)
    assert refused.reason == "r.example answers too slowly"


async def test_a_question_that_gives_up_its_lanes_slot_is_put_off() -> None:
    """A question that gives up its lane's slot is put off."""
    limiters = replica(SharedStates())
    registries = [limiter_of(limiters, f"r{number}.example") for number in range(100)]
    hangs = asyncio.Event()

    async def hang(limiter: RegistryLimiter) -> Failure | None:
        try:
            async with limiter.admit("HEAD", "q", hosts=1):
                await hangs.wait()
        except NotAdmitted as refused:
            return refused.failure
        return None

    asking = [asyncio.create_task(hang(limiter)) for limiter in registries]
    await asyncio.sleep(5)
    hangs.set()
    outcomes = await asyncio.gather(*asking)
    assert {type(outcome) for outcome in outcomes} == {Limited, type(None)}
    assert not any(limiter.is_needed for limiter in registries)


async def test_a_question_that_breaks_off_releases_its_slot() -> None:
    """The next one is admitted after any exception."""
    limiter = limiter_of(replica(SharedStates()))
    with pytest.raises(ZeroDivisionError):
        async with limiter.admit("HEAD", "first", hosts=1):
            raise ZeroDivisionError
    assert await ask(limiter, "second", GOOD) is None


async def test_a_registry_that_is_silent_while_it_is_asked_does_not_answer() -> None:
    """A registry that is silent for a second counts as not answering."""
    limiter = limiter_of(replica(SharedStates()))
    await ask(limiter, "q", GOOD, Reply(200))
    assert limiter.is_answering()
    async with limiter.admit("HEAD", "q", hosts=1):
        await asyncio.sleep(0.5)
        assert limiter.is_answering()
        await asyncio.sleep(1)
        assert not limiter.is_answering()


async def test_a_resolver_that_is_slow_itself_calls_no_registry_silent() -> None:
    """Time by which the loop was late is no silence, in one piece or bit by bit."""
    limiter = limiter_of(replica(SharedStates()))
    await ask(limiter, "q", GOOD, Reply(200))
    async with limiter.admit("HEAD", "q", hosts=1):
        await asyncio.sleep(0.5)
        stand_still(5)
        await asyncio.sleep(0.25)
        assert limiter.is_answering()
        for _ in range(20):
            await asyncio.sleep(0.2)
            stand_still(0.3)
            assert limiter.is_answering()
        await asyncio.sleep(1.3)
        assert not limiter.is_answering()


async def test_a_registry_that_is_back_is_found_out_by_a_question_that_worked() -> None:
    """A broken image that is asked first does not keep its registry shut for an hour of rounds.

    distribution/distribution#3842.
    """
    limiter = limiter_of(replica(SharedStates()))
    await ask(limiter, "good", GOOD)
    for _ in range(3):
        await ask(limiter, "other", Unreachable(reason="no connection"))
    for _ in range(60):
        await asyncio.sleep(60)
        try:
            async with limiter.admit("HEAD", "broken", hosts=1) as admission:
                limiter.health.errored("broken")
                admission.outcome = Unreachable(reason="answered 500")
        except NotAdmitted:
            pass
        await ask(limiter, "good", GOOD)
    assert await ask(limiter, "another", GOOD) is None


async def test_a_name_that_never_answered_is_not_shared() -> None:
    """The state of a registry that never answered is not shared."""
    states = SharedStates()
    limiters = replica(states)
    for _ in range(2):
        made_up = limiter_of(limiters, "made-up.example")
        await ask(made_up, "q", Unreachable(reason="its name does not resolve"))
        await limiters.flush()
    assert not states.rows

    real = limiter_of(limiters, "real.example")
    await ask(real, "q", Unreachable(reason="answered 503"), Reply(503))
    await limiters.flush()
    assert states.registries == {"real.example"}

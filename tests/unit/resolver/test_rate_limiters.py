"""The limiters of a replica: which are kept, and how much they take."""

import asyncio
import gc
import tracemalloc

import pytest

from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.rate_limiters import KNOWN, MADE_UP, RegistryLimiters
from imagedrift_schemas.v1 import Found, Limited, Unreachable
from support.shared_states import SharedStates, ask, limiter_of, replica

pytestmark = pytest.mark.virtual_time

GOOD = Found(digest="sha256:" + "a" * 64)


async def block(limiters: RegistryLimiters, registry: str) -> None:
    """Ask a registry, and be told to wait."""
    limiter = limiter_of(limiters, registry)
    await ask(limiter, "q", None, Reply(429, {"retry-after": ("600",)}))
    assert limiter_of(limiters, registry) is limiter


async def test_the_states_of_many_registries_are_shared_together() -> None:
    """The states of many registries are written at once."""
    states = SharedStates()
    limiters = replica(states)
    for number in range(40):
        await ask(limiter_of(limiters, f"r{number}.example"), "q", None, Reply(200))
    states.slow_s = 0.1

    began = asyncio.get_running_loop().time()
    await limiters.flush()
    assert asyncio.get_running_loop().time() - began < 1
    assert len(states.rows) == 40


async def test_docker_hub_and_a_mirror_of_it_have_limiters_of_their_own() -> None:
    """Docker Hub and its mirror have separate limiters (concourse/docker-image-resource#307)."""
    limiters = replica(SharedStates())
    hub = limiters.of(Site(registry="docker.io", api=parse_url("https://registry-1.docker.io")))
    mirror = limiters.of(Site(registry="docker.io", api=parse_url("https://mirror.lan")))
    assert hub is not mirror


async def test_a_block_of_docker_hub_does_not_hold_at_a_mirror_of_it() -> None:
    """Docker Hub's block ends with the change to a mirror, and the mirror's own is shared."""
    states = SharedStates()
    too_many = Reply(429, {"retry-after": ("600",)})
    hub = Site(registry="docker.io", api=parse_url("https://registry-1.docker.io"))
    mirror = Site(registry="docker.io", api=parse_url("https://mirror.lan"), namespace="docker.io")
    await ask(replica(states).of(hub), "q", None, too_many)
    assert await ask(replica(states).of(mirror), "q", GOOD, Reply(200)) is None
    await ask(replica(states).of(mirror), "q", None, too_many)
    assert isinstance(await ask(replica(states).of(mirror), "q"), Limited)


async def test_made_up_registries_are_not_kept() -> None:
    """Thousands of invented registries take little memory, and displace no block."""
    states = SharedStates()
    limiters = replica(states)
    await block(limiters, "real.example")
    real = limiter_of(limiters, "real.example")
    tracemalloc.start()
    try:
        for number in range(5 * MADE_UP.entries):
            made_up = limiter_of(limiters, f"{'a' * 200}{number}.example")
            await ask(made_up, "q", Unreachable(reason="no address"))
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used < MADE_UP.size
    assert len(limiters) <= MADE_UP.entries + 1
    assert limiter_of(limiters, "real.example") is real
    assert isinstance(await ask(real, "q"), Limited)
    assert states.registries == {"real.example"}


async def test_registries_that_answer_do_not_drive_out_one_that_blocks_us() -> None:
    """A registry with a block is the last to be dropped."""
    limiters = replica(SharedStates())
    await block(limiters, "real.example")
    real = limiter_of(limiters, "real.example")
    for number in range(KNOWN.entries + 100):
        await ask(limiter_of(limiters, f"r{number}.example"), "q", GOOD, Reply(200))
        limiter_of(limiters, f"r{number}.example")
    assert len(limiters) <= KNOWN.entries + 1
    assert limiter_of(limiters, "real.example") is real


async def test_a_limiter_takes_about_as_much_as_it_says() -> None:
    """A limiter's memory is about its declared weight."""
    limiters = replica(SharedStates())
    tracemalloc.start()
    try:
        kept = []
        for number in range(200):
            limiter = limiter_of(limiters, f"r{number}.example")
            for question in range(50):
                await ask(limiter, f"{'q' * 500}{question}", GOOD)
            kept.append(limiter)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    told = sum(each.size for each in kept)
    assert used < told < 3 * used

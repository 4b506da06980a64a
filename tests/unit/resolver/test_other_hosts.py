"""Requests to another registry, made because a registry leads there, give way to its own."""

import asyncio

import pytest

from imagedrift_resolver.admission import NotAdmitted
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.other_hosts import LONGEST_WAIT_S, PER_S, OtherHosts
from imagedrift_resolver.rate_limiters import RegistryLimiters
from imagedrift_schemas.v1 import Failure, Limited
from support.shared_states import SharedStates, ask, limiter_of, replica
from support.virtual_time import VirtualClock

pytestmark = pytest.mark.virtual_time

FRONT = Site(registry="front.example", api=parse_url("https://front.example"))
HUB = Site(registry="docker.io", api=parse_url("https://registry-1.docker.io"))
HUB_MANIFEST = "https://registry-1.docker.io/v2/library/nginx/manifests/1"


def others_of(limiters: RegistryLimiters) -> OtherHosts:
    """The hosts that the registries of a replica lead to."""
    return OtherHosts(limiters, VirtualClock())


async def led_to(
    others: OtherHosts,
    url: str,
    method: str = "GET",
    site: Site = FRONT,
    reply: Reply | None = None,
) -> Failure | None:
    """Make a request that a registry leads to. Returns why it is not made."""
    try:
        async with others.turn(site, parse_url(url), method) as limiter:
            if limiter and reply:
                await limiter.observe(reply, method)
    except NotAdmitted as refused:
        return refused.failure
    return None


def pulls(remaining: int) -> Reply:
    """Docker Hub says how many of 100 pulls are left."""
    told: dict[str, tuple[str, ...]] = {
        "ratelimit-limit": ("100;w=21600",),
        "ratelimit-remaining": (f"{remaining};w=21600",),
    }
    return Reply(200, told)


async def test_docker_hubs_pulls_are_not_spent_by_who_leads_to_it() -> None:
    """A GET at Docker Hub is made for another registry while more than half of the pulls are left.

    That it was made is learnt for Docker Hub.
    """
    others = others_of(replica(SharedStates()))
    assert await led_to(others, HUB_MANIFEST, reply=pulls(51)) is None
    assert await led_to(others, HUB_MANIFEST, reply=pulls(50)) is None
    assert isinstance(await led_to(others, HUB_MANIFEST), Limited)
    assert await led_to(others, HUB_MANIFEST, "HEAD") is None


@pytest.mark.parametrize(
    "url",
    [
        HUB_MANIFEST,
        "https://REGISTRY-1.docker.io./v2/library/nginx/manifests/1",
        "https://index.docker.io/v2/library/nginx/manifests/1",
        "https://auth.docker.io/token?service=x",
    ],
)
async def test_a_block_of_docker_hub_holds_for_whoever_leads_there(url: str) -> None:
    """A block of Docker Hub holds at each of its hosts, and at its token endpoint."""
    limiters = replica(SharedStates())
    await ask(limiters.of(HUB), "q", None, Reply(429, {"retry-after": ("600",)}))
    assert isinstance(await led_to(others_of(limiters), url, "HEAD"), Limited)


async def test_a_429_is_learnt_for_the_registry_that_said_it() -> None:
    """After a 429 that another led to, the registry's own questions wait too."""
    limiters = replica(SharedStates())
    other = limiter_of(limiters, "other.example")
    await ask(other, "q", None, Reply(200))
    too_many = Reply(429, {"retry-after": ("600",)})
    assert await led_to(others_of(limiters), "https://other.example/v2/", reply=too_many) is None
    assert isinstance(await ask(other, "q"), Limited)


async def test_many_who_lead_to_one_registry_share_a_pace() -> None:
    """A hundred registries that lead to one have its pace together; the last are put off."""
    others = others_of(replica(SharedStates()))
    count = int(2 * PER_S * LONGEST_WAIT_S)
    sites = [
        Site(registry=f"r{n}.example", api=parse_url(f"https://r{n}.example")) for n in range(count)
    ]
    began = asyncio.get_running_loop().time()
    refused = await asyncio.gather(*(led_to(others, HUB_MANIFEST, "HEAD", site) for site in sites))
    made = count - sum(isinstance(each, Limited) for each in refused)
    assert made == pytest.approx(count / 2, abs=2)
    assert asyncio.get_running_loop().time() - began == pytest.approx(LONGEST_WAIT_S, abs=1)


async def test_a_host_of_no_registry_and_ones_own_cost_no_turn() -> None:
    """Storage has no limit that is known, and a registry's other host is its own."""
    limiters = replica(SharedStates())
    await ask(limiters.of(HUB), "q", None, Reply(429, {"retry-after": ("600",)}))
    others = others_of(limiters)
    for _ in range(20 * PER_S):
        assert await led_to(others, "https://cdn.example/blob") is None
        assert await led_to(others, HUB_MANIFEST, site=HUB) is None


async def test_a_mirror_that_leads_to_docker_hub_leads_elsewhere() -> None:
    """A mirror has a budget of its own, which is not Docker Hub's."""
    limiters = replica(SharedStates())
    await ask(limiters.of(HUB), "q", None, Reply(429, {"retry-after": ("600",)}))
    mirror = Site(
        registry="docker.io", api=parse_url("https://mirror.example"), namespace="docker.io"
    )
    assert isinstance(await led_to(others_of(limiters), HUB_MANIFEST, site=mirror), Limited)

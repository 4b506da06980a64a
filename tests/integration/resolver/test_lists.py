"""Lists of tags over NATS, from registries that page in every way, lie, are slow, or refuse."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Budget, Fault, RouteKind, SandboxRegistry
from imagedrift_sandbox.registry.tag_pages import HUGE_BYTES, TagPaging
from imagedrift_schemas import subjects
from imagedrift_schemas.tags.newer import Newer, newer_in
from imagedrift_schemas.tags.version import read
from imagedrift_schemas.v1 import (
    Denied,
    Found,
    Invalid,
    Limited,
    List,
    Listed,
    Missing,
    Unreachable,
)
from support.polling import until
from support.resolver import ResolverClient, now, trusting, working

TAGS = [f"{major}.{at // 20}.{at % 20}" for major in (1, 2) for at in range(400)]
"""800 tags, of which 2.19.19 is the newest."""


def newest(listed: Listed, tag: str) -> Newer:
    """Tell what is newer than a tag."""
    version = read(tag)
    assert version
    return newer_in(listed, version)


async def ask_of(client: ResolverClient, registry: SandboxRegistry, *tags: str) -> Listed:
    """Ask which tags `team/app` has."""
    return await client.list_tags(registry.reference("team/app", "1.0.0"), *tags)


async def has_handled_all(client: ResolverClient, registry: SandboxRegistry) -> bool:
    """Tell whether no question for tags waits, or is being answered."""
    consumer = subjects.list_consumer(client.lanes.lane_of(registry.host))
    lag = await client.nats.lag(subjects.STREAM_LOOKUP, consumer)
    return not lag.pending and not lag.in_flight


@pytest.mark.parametrize(
    ("paging", "pages"),
    [
        (TagPaging.PLAIN, 1),
        (TagPaging.GHCR, 1),
        (TagPaging.ECR, 1),
        (TagPaging.ARTIFACTORY, 1),
        (TagPaging.QUAY, 16),
        (TagPaging.RED_HAT, 16),
    ],
)
async def test_a_list_is_answered_from_registries_that_page_in_every_way(
    fresh_nats: NatsServer, tmp_path: Path, paging: TagPaging, pages: int
) -> None:
    """The answer is in its bucket, with the newest of each step, for a request per page."""
    async with SandboxRegistry().serving() as registry:
        registry.push_tags("team/app", TAGS)
        registry.tag_paging = paging
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            listed = await ask_of(client, registry, "1.0.0")
        assert registry.totals().of(RouteKind.TAGS) == pages
    assert (listed.count, listed.truncated, listed.failure) == (800, "", None)
    assert newest(listed, "1.0.0") == Newer("1.0.19", "1.19.19", "2.19.19", 799)
    assert newest(listed, "2.19.19") == Newer()


async def test_a_list_is_made_once_for_all_that_ask(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A list that is fresh enough is answered from the cache; the newest one replaces it."""
    async with SandboxRegistry().serving() as registry:
        registry.push_tags("team/app", ["1.0.0"])
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            first = await ask_of(client, registry)
            await client.put_anew(
                List(
                    registry=first.registry,
                    repository=first.repository,
                    asked_at=now(),
                    fresh_since=first.checked_at,
                ),
                1,
            )
            await until(lambda: has_handled_all(client, registry), what="the list is handled")
            once = registry.totals().of(RouteKind.TAGS)
            registry.push_tags("team/app", ["1.0.1"])
            second = await ask_of(client, registry)
        assert once == 1
        assert registry.totals().of(RouteKind.TAGS) == 2
    assert (first.count, second.count) == (1, 2)


@pytest.mark.parametrize(
    ("paging", "truncated", "requests"),
    [
        (TagPaging.ENDLESS, "pages", 20),
        (TagPaging.REPEATS, "pages", 2),
        (TagPaging.ELSEWHERE, "failed", 1),
        (TagPaging.HUGE, "bytes", 1),
    ],
)
async def test_p11_a_registry_that_lies_costs_a_bounded_list(
    fresh_nats: NatsServer, tmp_path: Path, paging: TagPaging, truncated: str, requests: int
) -> None:
    """P11: endless pages, the same page again, another host, and 100 MB have their own outcomes."""
    async with SandboxRegistry().serving() as registry:
        registry.push_tags("team/app", [f"1.{number}" for number in range(1500)])
        registry.tag_paging = paging
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            listed = await ask_of(client, registry)
        assert registry.totals().of(RouteKind.TAGS) == requests
    assert listed.truncated == truncated
    assert isinstance(listed.failure, Invalid) is (paging is TagPaging.ELSEWHERE)
    assert HUGE_BYTES > 100_000_000
    for tag in ("99999.9", "1.0", "1.0.0"):
        found = newest(listed, tag)
        assert None not in (found.patch, found.minor, found.major)


async def test_a_huge_page_does_not_hold_up_a_question(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """While 100 MB are offered, the loop turns, and a tag of the same registry is resolved."""
    async with SandboxRegistry().serving() as registry:
        registry.push_tags("team/app", ["1.0.0"])
        registry.tag_paging = TagPaging.HUGE
        toml = trusting(registry.host, max_connections=2)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            listing = asyncio.create_task(ask_of(client, registry))
            answer = await client.ask(registry.reference("team/app", "1.0.0"))
            listed = await listing
    assert isinstance(answer.outcome, Found)
    assert listed.truncated == "bytes"


async def test_a_list_that_hangs_delays_no_question(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A registry with one connection that hangs on lists answers questions meanwhile."""
    async with SandboxRegistry().serving() as registry:
        registry.push_tags("team/app", ["1.0.0", "1.0.1", "1.0.2"])
        registry.misbehave(Fault(kinds=(RouteKind.TAGS,), hang=True))
        toml = trusting(registry.host, max_connections=1)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            listing = asyncio.create_task(ask_of(client, registry))
            await until(lambda: registry.totals().of(RouteKind.TAGS), what="the list is asked for")
            began = time.monotonic()
            answers = [
                await client.ask(registry.reference("team/app", tag))
                for tag in ("1.0.0", "1.0.1", "1.0.2")
            ]
            took_s = time.monotonic() - began
            listed = await listing
    assert all(isinstance(answer.outcome, Found) for answer in answers)
    assert took_s < 5
    assert isinstance(listed.failure, Limited)
    assert "wait for the registry" in listed.failure.reason


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=403), Denied),
        (Fault(status=503, body=""), Unreachable),
        (Fault(truncate=20), Invalid),
        (Fault(body="<html>", content_type="text/html"), Invalid),
    ],
)
async def test_a_failure_keeps_the_list_of_before_and_the_next_one_mends_it(
    fresh_nats: NatsServer, tmp_path: Path, fault: Fault, kind: Any
) -> None:
    """The names of before stay, as an incomplete list, until the registry lists again."""
    async with SandboxRegistry().serving() as registry:
        registry.push_tags("team/app", ["1.0.0", "1.0.1"])
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            before = await ask_of(client, registry)
            number = registry.misbehave(replace(fault, kinds=(RouteKind.TAGS,)))
            failed = await ask_of(client, registry)
            registry.faults.remove(number)
            after = await ask_of(client, registry)
    assert isinstance(failed.failure, kind)
    assert (failed.truncated, failed.failures, failed.listed_at) == ("failed", 1, before.listed_at)
    assert newest(failed, "1.0.0").patch == "1.0.1"
    assert newest(failed, "1.0.0").major is not None
    assert newest(after, "1.0.0") == Newer("1.0.1", behind=1)


async def test_a_repository_that_is_not_there_is_missing(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """The registry says that it has no such repository."""
    async with (
        SandboxRegistry().serving() as registry,
        working(fresh_nats.url, tmp_path, trusting(registry.host)) as client,
    ):
        listed = await ask_of(client, registry)
    assert isinstance(listed.failure, Missing)
    assert (listed.tracks, listed.listed_at) == ((), None)


async def test_lists_leave_half_of_a_limit_to_questions(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A list of sixteen pages ends in the middle, when half of the limit is used up."""
    async with SandboxRegistry().serving() as registry:
        registry.push_tags("team/app", TAGS)
        registry.tag_paging = TagPaging.QUAY
        kinds = (RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET, RouteKind.TAGS)
        registry.limit(Budget(limit=20, window_s=600, kinds=kinds))
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            listed = await ask_of(client, registry)
            answer = await client.ask(registry.reference("team/app", "1.0.0"))
        assert registry.totals().of(RouteKind.TAGS) == 10
        assert registry.totals().rejected == 0
    assert isinstance(listed.failure, Limited)
    assert listed.count == 500
    assert isinstance(answer.outcome, Found)

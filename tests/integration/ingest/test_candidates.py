"""Candidates for newer versions: in turns and quotas of the hosts that they are asked for."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from imagedrift_ingest.adapters.postgres import questions
from imagedrift_ingest.adapters.postgres.tag_lists import TagListTable
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Denied, Describe, Described, Found, Listed
from support.ingest import digest, image
from support.listing import RUN, described, tags_listed, versions
from support.planning import Planned, planning
from support.storing import lists_on

SMALL = "docker.io/small/app:1.2"
STEPS = ("patch", "minor", "major")
MIRRORS = ("a.example/z/app", "b.example/a/app")
"""Repositories whose newest tag is one image."""


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


async def brings(planned: Planned, host: str, *references: str) -> None:
    """A host runs references, each of which its registry has."""
    await planned.has(host, *(image(one, running=1) for one in references))
    for one in references:
        await planned.answered(one)


async def test_candidates_are_asked_in_the_turns_of_the_host_that_wants_them(dsn: str) -> None:
    """A host with many candidates has few of them out, and another's are not behind them."""
    async with planning(dsn, outstanding=10_000) as planned:
        tags = [f"docker.io/big/app:{n}.2" for n in range(questions.OF_ONE_HOST + 10)]
        await brings(planned, "big", *tags)
        await brings(planned, "small", SMALL)
        await planned.follows()
        newer = tuple(f"{n}.{m}" for n in range(len(tags)) for m in (3, 2))
        await planned.listed(tags_listed(newer, repository="docker.io/big/app"))
        await planned.listed(tags_listed(("1.3", "1.2"), repository="docker.io/small/app"))
        asked = await planned.names()
        assert len([one for one in asked if "/big/" in one]) == questions.OF_ONE_HOST
        assert "docker.io/small/app:1.3" in asked


async def test_a_bounded_number_of_descriptions_for_candidates_is_out(planned: Planned) -> None:
    """A host's candidates are described a few at a time, and another's are not behind them."""
    tags = [f"docker.io/big/app:{n}.2" for n in range(questions.OF_ONE_HOST + 10)]
    await brings(planned, "big", *tags)
    await brings(planned, "small", SMALL)
    await planned.follows()
    newer = tuple(f"{n}.{m}" for n in range(len(tags)) for m in (3, 2))
    await planned.listed(tags_listed(newer, repository="docker.io/big/app"))
    await planned.listed(tags_listed(("1.3", "1.2"), repository="docker.io/small/app"))
    for tag in tags:
        await planned.answered(tag.removesuffix("2") + "3")
    await planned.answered("docker.io/small/app:1.3")
    asked = [one for one in await planned.asks() if isinstance(one, Describe)]
    of_big = [one for one in asked if one.repository == "big/app"]
    assert len(of_big) == questions.OF_ONE_HOST
    assert len(asked) - len(of_big) == 2
    assert [one for one in await planned.asks() if isinstance(one, Describe)] == []
    for one in tags:
        await planned.described(described(one))
    again = [one for one in await planned.asks() if isinstance(one, Describe)]
    assert 0 < len(again) <= questions.OF_ONE_HOST


async def asked_about_shared(planned: Planned, at: datetime) -> str:
    """The repository in which the digest that both mirrors have is asked about."""
    shared = digest("shared")
    [asked] = [
        one for one in await planned.asks(at) if isinstance(one, Describe) and one.digest == shared
    ]
    return f"{asked.registry}/{asked.repository}"


async def mirrored(planned: Planned) -> None:
    """A host runs a version of each mirror, and both have one newer image."""
    for repository in MIRRORS:
        await brings(planned, "web-1", *(f"{one}:1.2" for one in MIRRORS))
        await planned.described(described(f"{repository}:1.2"))
    await planned.follows()
    for repository in MIRRORS:
        await planned.listed(tags_listed(("1.3", "1.2"), repository=repository))
    for repository in MIRRORS:
        await planned.answered(f"{repository}:1.3", outcome=Found(digest=digest("shared")))


async def test_a_candidate_that_fails_in_one_repository_is_asked_in_the_next(
    planned: Planned,
) -> None:
    """A candidate's digest is asked about in the next repository after a failure."""
    await mirrored(planned)
    seen, at = [], now()
    for _ in range(3):
        seen.append(await asked_about_shared(planned, at))
        registry, _, path = seen[-1].partition("/")
        failed = Described(
            registry=registry,
            repository=path,
            digest=digest("shared"),
            checked_at=at,
            failure=Denied(reason="no"),
        )
        await planned.described(failed)
        at += timedelta(days=1)
    assert {*seen} == {*MIRRORS}
    assert seen[0] != seen[1] != seen[2]


@pytest.mark.parametrize("registry", ["a.example", "b.example"])
async def test_a_candidate_is_asked_where_its_registry_can_be_asked(
    planned: Planned, registry: str
) -> None:
    """A registry that blocks us delays no candidate that another registry has, too."""
    await mirrored(planned)
    await planned.told(registry, blocked_until=now() + timedelta(hours=1))
    assert not (await asked_about_shared(planned, now())).startswith(registry)


async def test_p11_a_reference_that_is_left_out_says_so(planned: Planned) -> None:
    """A step whose candidate is over its host's quota is unknown, and asked on another day."""
    few = lists_on(planned.database, most_candidates=2)
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await _store(few, tags_listed(), 1)
    [row] = await versions(planned)
    assert (row["left_out"], row["behind"]) == (True, 4)
    assert [row[f"{step}_state"] for step in STEPS] == ["unknown"] * 3
    assert await planned.database.fetch_value("SELECT count(*) FROM fleet.newer") == 2

    await _store(few, tags_listed(), 2)
    assert await planned.database.fetch_value("SELECT count(*) FROM fleet.newer") == 2
    await planned.database.pool.execute("UPDATE fleet.host_quotas SET day = day - 1")
    await _store(few, tags_listed(), 3)
    [row] = await versions(planned)
    assert row["left_out"] is False
    assert await planned.database.fetch_value("SELECT count(*) FROM fleet.newer") == 3


async def _store(lists: TagListTable, tags: Listed, seq: int) -> None:
    stated = {(tags.registry, tags.repository): (seq, tags)}
    await lists.store(1, stated, surely_newest=True, read_to=seq)

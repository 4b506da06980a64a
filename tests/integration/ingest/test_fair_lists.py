"""Lists and candidates of one host never delay those of others."""

from collections.abc import AsyncIterator

import pytest

from imagedrift_ingest.adapters.postgres import questions
from imagedrift_schemas.v1 import Describe
from support.ingest import image
from support.listing import described, tags_listed
from support.planning import Planned, name, planning

SMALL = "docker.io/small/app:1.2"


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


def many(count: int) -> list[str]:
    """References of as many repositories."""
    return [f"docker.io/big/app{n}:1.2" for n in range(count)]


async def test_a_host_with_many_repositories_delays_no_other_hosts_list(planned: Planned) -> None:
    """Of one host's repositories half as many are asked at a time as of a registry."""
    await brings(planned, "big", *many(questions.LISTS_OF_REGISTRY + 5))
    await planned.follows()
    asked = await planned.lists_asked()
    assert len(asked) == questions.LISTS_OF_ONE_HOST
    assert await planned.lists_asked() == []
    await brings(planned, "small", SMALL)
    await planned.follows()
    assert [name(one) for one in await planned.lists_asked()] == ["docker.io/small/app"]


async def test_hosts_take_turns_and_what_most_hosts_run_is_listed_first(planned: Planned) -> None:
    """However many tags of a repository one host runs, it counts once."""
    tags = [f"docker.io/big/app:1.{n}" for n in range(20)]
    await brings(planned, "big", *tags, *many(3))
    await brings(planned, "small", SMALL)
    await brings(planned, "web-1", "docker.io/team/app:1.2")
    await planned.has("web-2", image("docker.io/team/app:1.2", running=1))
    await planned.follows()
    asked = await planned.lists_asked()
    assert next(name(one) for one in asked) == "docker.io/team/app"
    assert "docker.io/small/app" in [name(one) for one in asked][1:3]
    assert {name(one): one.hosts for one in asked}["docker.io/big/app"] == 1


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

"""Lists of one host never delay those of others."""

from collections.abc import AsyncIterator

import pytest

from imagedrift_ingest.adapters.postgres import questions
from support.ingest import image
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

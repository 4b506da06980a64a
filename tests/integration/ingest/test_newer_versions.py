"""Newer versions on a real database: what is listed, resolved and described, and what is shown."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Describe
from support.ingest import digest, image
from support.listing import (
    CANDIDATES,
    NEWEST,
    RUN,
    STEPS,
    described,
    resolve_all,
    shown,
    tags_listed,
    versions,
)
from support.planning import LATER, Planned, planning


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


async def test_a_newer_version_is_listed_resolved_described_and_shown(planned: Planned) -> None:
    """A version that hosts run has its tags listed; a candidate is shown once it is known."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.answered(RUN)
    await planned.follows()
    [asked] = await planned.lists_asked()
    assert (asked.registry, asked.repository) == ("docker.io", "library/nginx")
    assert (asked.tags, asked.hosts) == (("1.27.3",), 1)
    assert asked.asked_at - asked.fresh_since == timedelta(hours=12)
    assert await planned.lists_asked() == []
    assert await shown(planned) == {}

    await planned.listed(tags_listed())
    assert await shown(planned) == {"behind": 4}
    assert set(CANDIDATES) <= set(await planned.names())

    for reference in (RUN, *CANDIDATES):
        await planned.answered(reference)
    assert await shown(planned) == {"behind": 4}
    inside = [question for question in await planned.asks() if isinstance(question, Describe)]
    assert {question.digest for question in inside} == {
        digest((reference, 1)) for reference in (RUN, *CANDIDATES)
    }
    for reference in (RUN, *CANDIDATES):
        await planned.described(described(reference))
    assert await shown(planned) == {
        "newest_patch": "1.27.5", "newest_minor": "1.28.1", "newest_major": "2.0.0",
        "patch_state": "newer", "minor_state": "newer", "major_state": "newer", "behind": 4,
    }  # fmt: skip
    [row] = await versions(planned)
    assert (row["reference"], row["version"], row["hosts"], row["running_hosts"]) == (
        RUN, "1.27.3", 1, 1
    )  # fmt: skip
    [found] = await planned.database.fetch("SELECT * FROM ops.images")
    assert (found["newest_patch"], found["behind"], found["list_truncated"]) == ("1.27.5", 4, None)


async def test_the_newest_version_has_none(planned: Planned) -> None:
    """A whole list says of its newest tag that nothing is newer."""
    await planned.has("web-1", image(NEWEST, running=1))
    await planned.follows()
    await planned.listed(tags_listed())
    none = dict.fromkeys((f"{step}_state" for step in STEPS), "none")
    assert await shown(planned) == none | {"behind": 0}


async def test_a_local_build_beside_a_pulled_image_is_not_counted(planned: Planned) -> None:
    """A host with two own builds of a reference runs no version of its repository."""
    await planned.has("web-1", image(RUN, running=1))
    builds = [image(RUN, n, running=1, repo_digests=()) for n in (7, 8)]
    await planned.has("web-2", *builds)
    await planned.follows()
    [row] = await versions(planned)
    assert (row["hosts"], row["running_hosts"]) == (1, 1)


async def test_a_candidate_is_asked_as_often_as_its_list_until_a_host_has_it(
    planned: Planned,
) -> None:
    """A candidate without hosts is asked twice a day, and at once when a host gets it."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed())
    await resolve_all(planned, RUN, *CANDIDATES)
    assert await planned.names(now() + timedelta(hours=11)) == [RUN]
    await planned.has("web-2", image(NEWEST, version=0, running=1))
    assert NEWEST in await planned.names(now() + LATER)

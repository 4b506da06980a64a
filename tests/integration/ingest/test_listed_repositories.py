"""Which repositories are listed, and when lists and references come in another order."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest

from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Denied
from support.ingest import image
from support.listing import CANDIDATES, REPOSITORY, RUN, resolve_all, shown, tags_listed, versions
from support.planning import LATER, Planned, planning
from support.polling import until

DAY = timedelta(days=1)


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


async def test_a_repository_is_listed_once_a_tag_of_it_was_found(planned: Planned) -> None:
    """A repository that its registry denies, or does not have, is not listed."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.answered(RUN, outcome=Denied())
    await planned.follows()
    assert await planned.lists_asked() == []
    await planned.answered(RUN)
    await planned.follows()
    assert len(await planned.lists_asked()) == 1


async def test_p2_the_repository_of_a_local_build_is_never_listed(planned: Planned) -> None:
    """An image without a digest, or that only rests on a host, has no list asked."""
    await planned.has("web-1", image("docker.io/library/mine:1.2.3", running=1, repo_digests=()))
    await planned.has("web-2", image("docker.io/library/rests:1.2.3"))
    await planned.answered("docker.io/library/rests:1.2.3")
    await planned.follows()
    assert await planned.lists_asked() == []
    assert [row["reference"] for row in await versions(planned)] == [
        "docker.io/library/rests:1.2.3"
    ]


@pytest.mark.parametrize("tag", ["latest", "sha256-abc.sig", "stable"])
async def test_a_tag_that_tells_no_version_is_not_listed(planned: Planned, tag: str) -> None:
    """A tag without a version is read once, and nothing is asked for it."""
    await planned.has("web-1", image(f"{REPOSITORY}:{tag}", running=1))
    await planned.answered(f"{REPOSITORY}:{tag}")
    await planned.follows()
    assert await planned.lists_asked() == []
    assert await planned.database.fetch_value("SELECT count(*) FROM fleet.versions") == 1
    assert await versions(planned) == []


async def test_what_is_newer_is_forgotten_when_no_host_has_the_reference(planned: Planned) -> None:
    """A reference that left the fleet has no candidates, and these are not asked any more."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed())
    assert set(await planned.names()) == {RUN, *CANDIDATES}
    await planned.has("web-1")
    await planned.follows()
    assert await planned.database.fetch_value("SELECT count(*) FROM fleet.newer") == 0
    await planned.follows()
    assert await planned.names(now() + DAY) == []
    assert await planned.lists_asked(now() + DAY) == []

    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    assert await planned.database.fetch_value("SELECT count(*) FROM fleet.newer") == 3
    assert set(CANDIDATES) <= set(await planned.names(now() + LATER))


async def test_a_list_that_came_before_its_references_counts(planned: Planned) -> None:
    """A database that is filled anew reads lists before inventories, and shows the same."""
    await planned.listed(tags_listed())
    await planned.has("web-1", image(RUN, running=1))
    await planned.answered(RUN)
    await planned.follows()
    assert await shown(planned) == {"behind": 4}
    assert await planned.lists_asked() == []


async def test_a_list_that_is_delivered_again_or_is_older_changes_nothing(planned: Planned) -> None:
    """The newest list of a repository stands, in whatever order lists come."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(), seq=7)
    before = await planned.database.fetch("SELECT * FROM fleet.newer ORDER BY step")
    assert await planned.listed(tags_listed((), checked_at=now() - DAY), seq=6) == set()
    assert await planned.listed(tags_listed(()), seq=6) == {6}, "in doubt: its stream is asked"
    assert await planned.database.fetch("SELECT * FROM fleet.newer ORDER BY step") == before


async def test_an_image_that_was_marked_unused_counts_as_soon_as_a_host_has_it(
    planned: Planned,
) -> None:
    """The mark of unused images, which is set now and then, keeps no list and no state back."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.database.pool.execute("UPDATE fleet.comparisons SET unused_since = now()")
    await planned.answered(RUN)
    await planned.follows()
    assert len(await planned.lists_asked()) == 1
    await planned.listed(tags_listed())
    await resolve_all(planned, RUN, *CANDIDATES)
    assert (await shown(planned))["newest_patch"] == "1.27.5"


async def test_a_list_is_written_in_the_order_of_locks_of_an_answer(planned: Planned) -> None:
    """A list that waits for an answer holds no step that the holder of the answer needs."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(("1.28.1", "1.27.5", "1.27.3")))
    key = await planned.database.fetch_value(
        "SELECT ref_id FROM fleet.image_refs WHERE reference = $1", RUN
    )
    async with planned.database.pool.acquire() as other, other.transaction():
        await other.fetch(load("lists")["lock_answers"], [key])
        later_list = tags_listed(("1.28.2", "1.27.3"), checked_at=now() + DAY)
        storing = asyncio.create_task(planned.listed(later_list))
        await until(partial(_waits_for_a_lock, planned), what="the list waits for the answer")
        await other.execute("SET LOCAL lock_timeout = '1s'")
        assert len(await other.fetch(load("lists")["lock_steps"], [key])) == 2
    assert await storing == set()
    steps = await planned.database.fetch("SELECT step FROM fleet.newer")
    assert [row["step"] for row in steps] == ["minor"]


async def _waits_for_a_lock(planned: Planned) -> bool:
    sql = """
        SELECT count(*) > 0 FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()
    """
    return bool(await planned.database.fetch_value(sql))

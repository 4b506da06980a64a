"""Which questions are due: none about what no host has."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from imagedrift_ingest.adapters.postgres.questions import NEW_FOR_S
from imagedrift_runtime.clock import now
from support.ingest import NGINX, Operator, image
from support.many_images import many
from support.planning import LATER, Planned, planning
from support.storing import maintain_on


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner with room for ten questions of a registry."""
    async with planning(dsn, outstanding=10) as made:
        yield made


async def due(planned: Planned) -> set[str]:
    """The references that are due at some time."""
    sql = """
        SELECT r.reference FROM fleet.answers AS a JOIN fleet.image_refs AS r USING (ref_id)
        WHERE a.next_check_at IS NOT NULL
    """
    return {row["reference"] for row in await planned.database.pool.fetch(sql)}


async def test_references_that_a_host_had_for_a_moment_stop_nobody(planned: Planned) -> None:
    """References that a host had for a moment delay no others."""
    await planned.has("bad", *many("bad", 200))
    await planned.has("bad")
    await planned.has("web-1", image())
    assert await planned.names() == [NGINX]
    assert await planned.names(now() + timedelta(seconds=NEW_FOR_S)) == []
    assert await due(planned) == {NGINX}


async def test_a_new_reference_is_due_though_planning_ran_before_its_host_was_stored(
    planned: Planned,
) -> None:
    """A look between a new reference and its host's commit does not let the reference rest."""
    await planned.has("web-1", image())
    async with planned.database.pool.acquire() as other:
        await other.execute("CREATE TEMP TABLE kept AS SELECT * FROM fleet.host_images")
        await other.execute("DELETE FROM fleet.host_images")
        async with other.transaction():
            await other.execute("INSERT INTO fleet.host_images SELECT * FROM kept")
            assert await planned.names() == []
    assert await planned.names() == [NGINX]


async def test_what_no_host_has_any_more_is_never_due_again(planned: Planned) -> None:
    """A reference that no host has any more is never due, until a host gets it."""
    await planned.has("web-1", image())
    assert await planned.names() == [NGINX]
    await planned.answered(NGINX)
    await planned.has("web-1")
    await maintain_on(planned.database).count_hosts()
    assert await due(planned) == set()
    await planned.answered(NGINX)
    assert await planned.names(now() + timedelta(days=30)) == []

    await planned.has("web-2", image())
    assert await planned.names() == [NGINX]


async def test_what_nobody_had_is_due_as_soon_as_a_known_host_gets_it(planned: Planned) -> None:
    """A reference that no host had any more is due at once when a host with others gets it."""
    await planned.has("web-1", image())
    await planned.has("web-1", *many("own", 1))
    await maintain_on(planned.database).count_hosts()
    assert NGINX not in await due(planned)

    await planned.has("web-1", *many("own", 1), image())
    assert NGINX in await due(planned)


async def test_a_reference_with_local_images_only_is_never_due(
    planned: Planned, operator: Operator
) -> None:
    """A reference with local images only is never due."""
    await planned.has("web-1", image("docker.io/own/built:1", repo_digests=()))
    assert await planned.names(now() + LATER) == []
    await maintain_on(planned.database).count_hosts()
    assert await due(planned) == set()
    sql = "SELECT next_check_at FROM ops.images WHERE reference = 'docker.io/own/built:1'"
    assert await planned.database.pool.fetchval(sql) is None

    await planned.has("web-2", image("docker.io/own/built:1"))
    assert await planned.names() == ["docker.io/own/built:1"]


async def test_a_host_that_comes_while_a_reference_is_laid_to_rest_is_not_forgotten(
    planned: Planned,
) -> None:
    """A host that gets a reference while it is made undue has it asked."""
    await planned.has("web-1", image())
    await planned.has("web-1")
    sql = "UPDATE fleet.answers SET next_check_at = NULL"  # as a look from before does it
    async with planned.database.pool.acquire() as other:
        await planned.has("web-2", image())
        await other.execute(sql)
    assert await planned.names(now() + timedelta(minutes=1)) == []
    await maintain_on(planned.database).count_hosts()
    assert await planned.names(now() + timedelta(minutes=1)) == [NGINX]

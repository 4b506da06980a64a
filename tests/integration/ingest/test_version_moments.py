"""Since when a reference has a newer version: the moment outlives candidates, hosts and lists."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Missing
from support.ingest import image
from support.listing import REPOSITORY, RUN, resolve_all, shown, tags_listed
from support.planning import Planned, planning

DAY = timedelta(days=1)


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


async def test_a_later_candidate_keeps_the_moment_since_when_something_is_newer(
    planned: Planned,
) -> None:
    """A step that has a newer image goes on with its moment when a still newer one comes."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(("1.27.5", "1.27.3")))
    await resolve_all(planned, RUN, f"{REPOSITORY}:1.27.5")
    since = await planned.database.fetch_value("SELECT since FROM fleet.newer")
    assert since is not None
    await planned.listed(tags_listed(("1.27.6", "1.27.5", "1.27.3"), checked_at=now() + DAY))
    assert "newest_patch" not in await shown(planned)
    await resolve_all(planned, f"{REPOSITORY}:1.27.6")
    assert (await shown(planned))["newest_patch"] == "1.27.6"
    assert await planned.database.fetch_value("SELECT since FROM fleet.newer") == since


async def test_the_moment_since_when_something_is_newer_outlives_an_absence_of_its_hosts(
    planned: Planned,
) -> None:
    """A host that lacks its image for one inventory does not restart the time of a step."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(("1.27.5", "1.27.3")))
    await resolve_all(planned, RUN, f"{REPOSITORY}:1.27.5")
    since = await planned.database.fetch_value("SELECT since FROM fleet.newer")
    await planned.has("web-1")
    await planned.follows()
    assert await planned.database.fetch_value("SELECT count(*) FROM fleet.newer") == 0
    await planned.listed(tags_listed(("1.27.6", "1.27.5", "1.27.3"), checked_at=now() + DAY))
    await resolve_all(planned, f"{REPOSITORY}:1.27.6")
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    assert (await shown(planned))["newest_patch"] == "1.27.6"
    assert await planned.database.fetch_value("SELECT since FROM fleet.newer") == since


async def test_a_whole_list_without_a_step_ends_its_moment(planned: Planned) -> None:
    """Once its tag is gone nothing is newer, and what comes then has its own moment."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(("1.27.5", "1.27.3")))
    await resolve_all(planned, RUN, f"{REPOSITORY}:1.27.5")
    since = await planned.database.fetch_value("SELECT since FROM fleet.newer")
    gone = {"outcome": Missing(), "checked_at": now() + DAY}
    await planned.answered(f"{REPOSITORY}:1.27.5", **gone)
    await planned.listed(tags_listed(("1.27.3",), checked_at=now() + DAY))
    await planned.listed(tags_listed(("1.27.6", "1.27.3"), checked_at=now() + 2 * DAY))
    await resolve_all(planned, f"{REPOSITORY}:1.27.6")
    assert await planned.database.fetch_value("SELECT since FROM fleet.newer") > since

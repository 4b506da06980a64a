"""Digests are asked about once for all images that need it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from imagedrift_runtime.clock import now
from support.described import child, describe, described
from support.ingest import NGINX, digest, image
from support.planning import LATER, Planned, planning


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets some questions of a registry be out at a time."""
    async with planning(dsn, outstanding=100) as made:
        yield made


async def test_a_digest_is_described_once_for_every_platform_that_needs_it(
    planned: Planned,
) -> None:
    """A digest is described once per platform that needs it."""
    await planned.has("web-1", image(version=0))
    await planned.answered(NGINX, 2)
    [asked] = await described(planned)
    assert (asked.digest, asked.platforms) == (digest((NGINX, 2)), ("linux/amd64",))
    assert await described(planned) == []

    await planned.has("web-2", image(version=0, platform="linux/arm64", image_id=digest("arm")))
    assert await described(planned) == []  # its stream refuses a second question until then
    [more] = await described(planned, now() + LATER)
    assert more.platforms == ("linux/arm64",)

    platforms = ("linux/amd64", "linux/arm64")
    await describe(planned, 2, *(child(each, each, digest(("c", each))) for each in platforms))
    assert await described(planned, now() + timedelta(days=2)) == []


async def test_the_order_of_an_answer_and_its_description_does_not_matter(
    planned: Planned,
) -> None:
    """The verdict is the same in any order of answer, description and image."""
    await describe(planned, 2, child("linux/amd64", "child", image().image_id))
    await planned.answered(NGINX, 2)
    await planned.has("web-1", image())
    reasons = await planned.database.pool.fetch("SELECT reason FROM ops.comparisons")
    assert [row["reason"] for row in reasons] == ["platform_match"]

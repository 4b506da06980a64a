"""Comparisons: one for each distinct image, whichever host has it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import LocalImage
from support.described import child, describe, described, told
from support.ingest import NGINX, digest, image
from support.planning import LATER, Planned, planning

DAY = timedelta(days=1)


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """Ingest's side of the database."""
    async with planning(dsn, outstanding=100) as made:
        yield made


def of_manifest(of: object, **facts: Any) -> LocalImage:
    """The image of an index as the containerd store names it, with the manifest that runs."""
    index = digest((NGINX, 1))
    return image(image_id=index, manifest_digest=digest(("manifest", of)), **facts)


async def test_what_one_host_says_decides_for_no_other_host(planned: Planned) -> None:
    """One image id under two manifests is two comparisons (docker/compose#12854)."""
    await planned.has("a", of_manifest("arm64"))
    await planned.has("b", of_manifest("amd64"))
    await planned.answered(NGINX, 2)
    await describe(planned, 2, child("linux/arm64", "arm64"), child("linux/amd64", "new amd64"))
    assert [(row["host"], row["verdict"]) for row in await told(planned)] == [
        ("a", "current"),
        ("b", "outdated"),
    ]


async def test_one_host_may_have_several_manifests_of_one_image(planned: Planned) -> None:
    """Several manifests of one image have a verdict each (docker/compose#14007)."""
    await planned.has("a", of_manifest("arm64"), of_manifest("amd64"))
    await planned.answered(NGINX, 2)
    await describe(planned, 2, child("linux/arm64", "new"), child("linux/amd64", "amd64"))
    assert sorted(row["verdict"] for row in await told(planned)) == ["current", "outdated"]
    [row] = await planned.database.pool.fetch("SELECT hosts, variants FROM ops.images")
    assert (row["hosts"], row["variants"]) == (1, 2)
    assert not any(row["recreate_only"] for row in await told(planned, "outdated"))


async def test_an_image_with_a_hundred_digests_is_stored(planned: Planned) -> None:
    """An image with a hundred repo digests is stored."""
    digests = tuple(sorted(digest(("pushed", n)) for n in range(100)))
    await planned.has("a", image(repo_digests=digests))
    await planned.has("b", image(repo_digests=digests[::-1]))
    rows = await told(planned)
    assert [row["local_digests"] for row in rows] == [list(digests)] * 2
    assert await planned.database.pool.fetchval("SELECT count(*) FROM fleet.comparisons") == 1


async def test_changes_of_several_images_of_one_reference_are_told_once_each(
    planned: Planned,
) -> None:
    """Two images that replace two others are two changes in the history."""
    for version in (1, 2):
        await planned.has(
            "a",
            image(version=version),
            image(version=(version, "arm"), platform="linux/arm64"),
        )
    rows = await planned.database.pool.fetch("SELECT * FROM ops.host_history")
    assert {(row["old_image_id"], row["new_image_id"]) for row in rows} == {
        (image(version=1).image_id, image(version=2).image_id),
        (image(version=(1, "arm")).image_id, image(version=(2, "arm")).image_id),
    }
    assert len(rows) == 2


async def test_an_image_that_is_new_is_looked_for_unless_all_is_known(planned: Planned) -> None:
    """An incomplete description is asked again for a new image, a complete one never."""
    await planned.has("a", image(version=0))
    await planned.answered(NGINX, 2)
    await described(planned)
    await describe(planned, 2, child("linux/amd64", 2, digest("c")), child("linux/s390x", "z"))
    assert await described(planned) == []
    newcomer = image(version="newcomer")
    await planned.has("b", newcomer)
    [asked] = await described(planned, now() + LATER)
    assert asked.image_ids == (newcomer.image_id,)
    await describe(
        planned, 2, child("linux/amd64", 2, digest("c")), child("linux/s390x", "z", digest("z"))
    )
    await planned.has("c", image(version="another"))
    assert await described(planned, now() + DAY) == []

"""The verdicts of odd hosts and odd registries: whose word counts, and what is told beside it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.verdicts import StoredVerdicts
from imagedrift_ingest.core import explanation, verdict
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Child, Denied, Describe, Described, Failure, Found, LocalImage
from support.ingest import NGINX, digest, image
from support.planning import Planned, planning

DAY = timedelta(days=1)


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """Ingest's side of the database."""
    async with planning(dsn, outstanding=100) as made:
        yield made


async def told(planned: Planned, view: str = "comparisons") -> list[asyncpg.Record]:
    """Every row of a view, by host and image id."""
    found: list[asyncpg.Record] = await planned.database.pool.fetch(
        f"SELECT * FROM ops.{view} ORDER BY host, image_id, platform"
    )
    return found


async def describe(
    planned: Planned, version: object, *children: Child, failure: Failure | None = None
) -> None:
    """A resolver tells what is inside a version of nginx."""
    said = Described(
        registry="docker.io",
        repository="library/nginx",
        digest=digest((NGINX, version)),
        checked_at=now(),
        children=children,
        failure=failure,
    )
    await planned.described(said)


async def described(planned: Planned, at: Any = None) -> list[Describe]:
    """The descriptions that are asked for."""
    return [q for q in await planned.asks(at) if isinstance(q, Describe)]


def child(platform: str, of: object, config: str = "") -> Child:
    """One manifest of an index."""
    return Child(platform=platform, digest=digest(("manifest", of)), config_digest=config)


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


async def test_a_lost_digest_is_unknown_until_its_image_is_found(planned: Planned) -> None:
    """An image with a lost digest is unknown until it is found (moby/moby#46904)."""
    lost = image(version="lost", repo_digests=(), digest_lost=True, tagged=False)
    await planned.has("a", lost)
    assert await planned.asks() == []
    [row] = await told(planned)
    assert (row["verdict"], row["reason"], row["stale"]) == ("unknown", "digest_lost", False)
    assert row["error"] == verdict.DIGEST_LOST

    await planned.has("b", image(version=2))
    assert await planned.names() == [NGINX]
    await planned.answered(NGINX, 2)
    [asked] = await described(planned)
    assert asked.image_ids == (lost.image_id,)
    await describe(planned, 2, child("linux/amd64", 2, lost.image_id))
    assert [row["reason"] for row in await told(planned)] == ["platform_match", "digest_match"]


async def test_a_lost_digest_and_a_build_of_one_image_id_are_two(planned: Planned) -> None:
    """A lost digest and a local build of one image id are two comparisons."""
    built = image(repo_digests=())
    await planned.has("a", built)
    await planned.has("b", image(repo_digests=(), digest_lost=True))
    assert [row["verdict"] for row in await told(planned)] == ["local", "unknown"]


async def test_children_are_kept_beside_a_failure_which_is_told(planned: Planned) -> None:
    """A description that fails in part keeps its children and shows the error (P10)."""
    await planned.has("a", image(version=0))
    await planned.answered(NGINX, 2)
    assert len(await described(planned)) == 1
    read = child("linux/arm64", "arm", digest("read"))
    await describe(planned, 2, read, child("linux/amd64", 2), failure=Denied(reason="no"))
    for view in ("comparisons", "outdated"):
        [row] = await told(planned, view)
        assert (row["reason"], row["error"]) == (
            "digest_differs",
            explanation.NOT_DESCRIBED + "no",
        )
    assert await described(planned) == []
    assert len(await described(planned, now() + DAY)) == 1
    unread = Child(platform="linux/arm64", digest=read.digest)
    await describe(planned, 2, unread, child("linux/amd64", 2, digest("new")))
    [row] = await told(planned)
    assert (row["reason"], row["error"]) == ("platform_differs", None)
    assert await described(planned, now() + DAY) == []


async def test_an_image_that_is_new_is_looked_for_unless_all_is_known(planned: Planned) -> None:
    """An incomplete description is asked again for a new image, a complete one never."""
    await planned.has("a", image(version=0))
    await planned.answered(NGINX, 2)
    await described(planned)
    await describe(planned, 2, child("linux/amd64", 2, digest("c")), child("linux/s390x", "z"))
    assert await described(planned) == []
    newcomer = image(version="newcomer")
    await planned.has("b", newcomer)
    [asked] = await described(planned)
    assert asked.image_ids == (newcomer.image_id,)
    await describe(
        planned, 2, child("linux/amd64", 2, digest("c")), child("linux/s390x", "z", digest("z"))
    )
    await planned.has("c", image(version="another"))
    assert await described(planned, now() + DAY) == []


async def test_a_digest_is_asked_of_one_reference_and_then_of_the_next(planned: Planned) -> None:
    """A digest that fails by one reference is asked by the next one."""
    here, there = "a.example/z/app:1", "b.example/a/app:1"
    shared = digest("shared")
    for reference in (here, there):
        await planned.has("a", image(here, 0), image(there, 0))
        await planned.answered(reference, last_digest=shared, outcome=None)
    await planned.database.pool.execute(
        "UPDATE fleet.answers SET remote_digest = $1", digest((here, 1))
    )
    seen = []
    at = now()
    for _ in range(3):
        [asked] = await described(planned, at)
        seen.append((asked.registry, asked.repository))
        failed = Described(
            registry=asked.registry,
            repository=asked.repository,
            digest=asked.digest,
            checked_at=at,
            failure=Denied(reason="no"),
        )
        await planned.described(failed)
        at += DAY
    assert {*seen} == {("a.example", "z/app"), ("b.example", "a/app")}
    assert seen[0] != seen[1] != seen[2]


async def test_a_digest_is_asked_of_a_reference_whose_answer_was_found(planned: Planned) -> None:
    """Of two references of a digest the one whose last answer failed is not asked about it."""
    fails, found = "a.example/z/app:1", "b.example/a/app:1"
    shared = digest("shared")
    await planned.has("a", image(fails, 0), image(found, 0))
    for reference in (fails, found):
        await planned.answered(reference, last_digest=shared, outcome=Found(digest=shared))
    await planned.answered(fails, last_digest=shared, outcome=Denied(reason="no"))
    [asked] = await described(planned)
    assert (asked.registry, asked.repository) == ("b.example", "a/app")


async def test_recreating_is_enough_only_where_it_gives_the_new_image(planned: Planned) -> None:
    """`recreate_only` is false for `tag@digest` and other platforms (mag37/dockcheck#96)."""
    new = image(version=2)
    old: dict[str, Any] = {"version": 1, "tagged": False, "containers": ("web",)}
    await planned.has("plain", new, image(**old))
    await planned.has("pinned", new, image(**old, by_digest=True))
    await planned.has("platform", new, image(**old, platform="linux/arm64"))
    await planned.has("untagged", image(version=2, tagged=False, containers=("w",)), image(**old))
    await planned.answered(NGINX, 2)
    rows = {row["host"]: row for row in await told(planned, "outdated")}
    assert {host for host, row in rows.items() if row["recreate_only"]} == {"plain"}
    assert len(rows) == 4
    assert rows["pinned"]["by_digest"]
    assert rows["pinned"]["error"] == explanation.NAMES_DIGEST
    assert rows["plain"]["error"] is None


async def test_an_upgraded_database_judges_all_anew_once(planned: Planned) -> None:
    """Verdicts of older rules are computed anew once."""
    await planned.has("a", image(version=0))
    await planned.answered(NGINX, 2)
    await planned.database.pool.execute("UPDATE fleet.comparisons SET reason = 'platform_differs'")
    verdicts = StoredVerdicts(planned.database)
    assert [await verdicts.judge_again(), await verdicts.judge_again()] == [1, 0]
    assert len(await described(planned)) == 1

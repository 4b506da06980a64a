"""The verdicts of odd hosts and odd registries: whose word counts, and what is told beside it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from imagedrift_ingest.adapters.postgres.verdicts import StoredVerdicts
from imagedrift_ingest.core import explanation, verdict
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Child, Denied, Described, Found
from support.described import child, describe, described, told
from support.ingest import NGINX, digest, image
from support.planning import Planned, planning

DAY = timedelta(days=1)


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """Ingest's side of the database."""
    async with planning(dsn, outstanding=100) as made:
        yield made


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

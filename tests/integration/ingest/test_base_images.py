"""Base images on a real database: which are asked, and what is told beside the verdict."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from imagedrift_ingest.usecases.base_images import FollowBaseImages
from imagedrift_runtime.clock import SystemClock, now
from imagedrift_schemas.v1 import (
    Child,
    Denied,
    Describe,
    Described,
    Failure,
    Found,
    Invalid,
    Limited,
    LocalImage,
    Missing,
    Outcome,
    Refused,
    Unreachable,
    Unsupported,
)
from support.ingest import NGINX, digest, image
from support.planning import LATER, Planned, planning
from support.storing import base_images_on, maintain_on, turns_on

BASE = "ghcr.io/acme/base:3"
LOCAL = "registry.example/acme/app:1"


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


def built(
    reference: str = NGINX, base: str = BASE, version: object = 1, **facts: Any
) -> LocalImage:
    """An image whose labels tell what it was built on: a reference at a version."""
    labels = {"base_name": base, "base_digest": digest((BASE, version))}
    return image(reference, **(labels | facts))


def inside(version: object, *children: tuple[str, object]) -> Described:
    """The content of the base at a version: a manifest for each platform."""
    return Described(
        registry="ghcr.io",
        repository="acme/base",
        digest=digest((BASE, version)),
        checked_at=now(),
        children=tuple(Child(platform=name, digest=digest(of)) for name, of in children),
    )


async def follow(planned: Planned, *, is_wanted: bool = True, most: int = 100) -> None:
    """Base images are followed, and hosts counted, as is done now and then."""
    table = base_images_on(planned.database, most)
    run = FollowBaseImages(table, turns_on(planned.database), SystemClock(), is_wanted=is_wanted)
    await run.run()
    await maintain_on(planned.database).count_hosts()


async def shown(planned: Planned, reference: str = NGINX) -> asyncpg.Record:
    """The first row of an image."""
    rows = await planned.database.fetch(
        "SELECT * FROM ops.comparisons WHERE reference = $1 ORDER BY host", reference
    )
    return rows[0]


async def test_the_base_of_a_local_build_is_asked_once_for_the_fleet(planned: Planned) -> None:
    """Images of several hosts on one base make one question; the local build itself makes none."""
    builds = [built(f"acme/app{n}:1", repo_digests=()) for n in range(3)]
    await planned.has("web-1", *builds)
    await planned.has("web-2", *builds)
    await follow(planned)
    [asked] = await planned.asks()
    assert (asked.registry, asked.repository) == ("ghcr.io", "acme/base")
    assert await planned.asks() == []
    row = await shown(planned, "docker.io/acme/app0:1")
    assert (row["verdict"], row["base_name"], row["base_outdated"]) == ("local", BASE, None)
    assert row["base_error"] == "not answered yet"


async def test_local_builds_of_one_host_use_up_no_other_hosts_quota(planned: Planned) -> None:
    """The bases of local builds count for the hosts that have these, each for its own."""
    made_up = [
        built(f"acme/app{n}:1", f"a.example/made/up{n}:1", repo_digests=()) for n in range(5)
    ]
    await planned.has("bad", *made_up)
    await planned.has("good", built("acme/app:1", repo_digests=()))
    await follow(planned, most=2)
    assert BASE in await planned.names()
    over = "SELECT count(*) FROM fleet.bases WHERE not_asked = 'quota'"
    assert await planned.database.fetch_value(over) == 3


async def test_a_base_that_a_host_named_beyond_its_quota_is_asked_for_another(
    planned: Planned,
) -> None:
    """A host that names what others are built on, and much else, keeps no base from being asked."""
    named = [f"a.example/made/up{n}:1" for n in range(5)]
    made_up = [
        built(f"acme/app{n}:1", base, digest, repo_digests=())
        for n, base in enumerate((*named, BASE))
        for digest in (1, 2)
    ]
    await planned.has("bad", *made_up)
    await planned.has("good", built("acme/app:1", repo_digests=()))
    await follow(planned, most=2)
    assert BASE in await planned.names()


async def test_a_base_that_is_also_run_is_asked_once(planned: Planned) -> None:
    """The reference of a host and that of a label are one, and are asked as often as the host's."""
    await planned.has("web-1", built(), image(BASE, running=1))
    await follow(planned)
    assert sorted(await planned.names()) == sorted([NGINX, BASE])
    await planned.answered(BASE)
    await planned.answered(NGINX)
    assert BASE in await planned.names(now() + LATER * 5)


async def test_a_base_that_no_host_has_is_asked_as_seldom_as_lists(planned: Planned) -> None:
    """A base is asked again after twelve hours, and fails for nobody in ops.lookup_errors."""
    await planned.has("web-1", built())
    await follow(planned)
    await planned.answered(BASE)
    await planned.answered(NGINX)
    assert await planned.names(now() + timedelta(hours=11)) == [NGINX]
    assert BASE in await planned.names(now() + timedelta(hours=14))
    await planned.answered(BASE, outcome=Denied())
    assert await planned.database.fetch("SELECT * FROM ops.lookup_errors") == []


async def test_p2_a_base_that_nothing_allows_to_be_asked_is_never_asked(planned: Planned) -> None:
    """Neither a short name is asked, nor a digest, nor a registry of the host's own."""
    names = ("alpine:3", f"ghcr.io/acme/base@{digest('d')}", "localhost:5000/base:1", "a.b/C:1")
    builds = [built(f"acme/app{n}:1", name, repo_digests=()) for n, name in enumerate(names)]
    await planned.has("web-1", *builds)
    await follow(planned)
    assert await planned.asks(now() + timedelta(days=1)) == []
    rows = await planned.database.fetch("SELECT * FROM ops.comparisons ORDER BY reference")
    assert [row["base_outdated"] for row in rows] == [None] * 4
    for row, why in zip(
        rows, ("no registry", "does not move", "another machine", "no reference"), strict=True
    ):
        assert why in row["base_error"], row


async def test_nothing_is_asked_unless_an_operator_wants_it(planned: Planned) -> None:
    """Without the setting no base is asked, and those that were asked before rest."""
    await planned.has("web-1", built(repo_digests=()))
    await follow(planned, is_wanted=False)
    assert await planned.asks() == []
    assert "IMAGEDRIFT_BASES" in (await shown(planned))["base_error"]

    await follow(planned)
    assert await planned.names() == [BASE]
    await planned.answered(BASE)
    await follow(planned)
    assert (await shown(planned))["base_outdated"] is False

    await follow(planned, is_wanted=False)
    assert await planned.asks(now() + timedelta(days=2)) == []
    row = await shown(planned)
    assert (row["base_outdated"], "IMAGEDRIFT_BASES" in row["base_error"]) == (None, True)


async def test_a_base_rests_when_no_image_in_use_was_built_on_it(planned: Planned) -> None:
    """A base's question ends with its last image, and begins again with the next one."""
    await planned.has("web-1", built())
    await follow(planned)
    await planned.has("web-1")
    await maintain_on(planned.database).tidy()
    await follow(planned)
    assert await planned.asks(now() + timedelta(days=1)) == []
    await planned.has("web-1", built())
    await maintain_on(planned.database).tidy()
    await follow(planned)
    assert BASE in await planned.names()


AMD, ARM = "linux/amd64", "linux/arm64"
OLD = inside(1, (AMD, "old amd"), (ARM, "old arm"))


@pytest.mark.parametrize(
    ("described", "facts", "outdated"),
    [
        ([], {}, None),
        ([inside(2, (AMD, "new amd"), (ARM, "old arm"))], {}, None),
        ([inside(2, (AMD, "new amd"), (ARM, "old arm")), OLD], {}, True),
        ([inside(2, (AMD, "old amd"), (ARM, "new arm")), OLD], {}, False),
        ([inside(2, (AMD, "old amd"), (ARM, "new arm")), OLD], {"platform": ARM}, True),
        ([inside(2, (ARM, "new arm")), OLD], {}, None),
        ([inside(2, (AMD, "new amd"))], {"base_digest": digest("old amd")}, None),
        ([inside(2, (AMD, "old amd"))], {"base_digest": digest("old amd")}, False),
    ],
)
async def test_a_base_is_outdated_where_its_tag_has_another_image_for_the_platform(
    planned: Planned, described: list[Described], facts: dict[str, str], outdated: bool | None
) -> None:
    """A label's digest may be that of an index or a manifest; the verdict never changes."""
    await planned.has("web-1", built(**facts))
    await planned.answered(NGINX)
    await follow(planned)
    await planned.answered(BASE, 2)
    for each in described:
        await planned.described(each)
    await follow(planned)
    row = await shown(planned)
    assert (row["base_outdated"], row["verdict"]) == (outdated, "current")
    assert (row["base_error"] is None) == (outdated is not None)
    [found] = await planned.database.fetch("SELECT * FROM ops.images")
    assert found["base_outdated"] == outdated


async def test_what_is_inside_is_asked_for_as_far_as_it_is_needed(planned: Planned) -> None:
    """First what the tag points to, then the base; nothing where both are one digest."""
    await planned.has("web-1", built())
    await planned.answered(NGINX)
    await follow(planned)
    await planned.answered(BASE)
    await follow(planned)
    assert await planned.asks() == []

    await planned.answered(BASE, 2)
    await follow(planned)
    [first] = await planned.asks()
    assert isinstance(first, Describe)
    assert first.digest == digest((BASE, 2))
    await planned.described(inside(2, (AMD, "new amd")))
    await follow(planned)
    [second] = await planned.asks()
    assert isinstance(second, Describe)
    assert second.digest == digest((BASE, 1))
    await planned.described(inside(1, (AMD, "old amd")))
    await follow(planned)
    assert (await shown(planned))["base_outdated"] is True
    assert await planned.asks() == []


FAILURES: tuple[Failure, ...] = (
    Denied(), Limited(), Unreachable(), Refused(), Unsupported(), Invalid()
)  # fmt: skip


@pytest.mark.parametrize("after", [None, Found(digest=digest((BASE, 1)))])
@pytest.mark.parametrize("outcome", [*FAILURES, Missing()])
async def test_p11_a_check_that_fails_never_says_that_a_base_is_current(
    planned: Planned, after: Outcome | None, outcome: Outcome
) -> None:
    """Neither at first nor after a check that found it so; the error is told."""
    await planned.has("web-1", built())
    await follow(planned)
    if after:
        await planned.answered(BASE, outcome=after)
        await follow(planned)
        assert (await shown(planned))["base_outdated"] is False
    await planned.answered(BASE, outcome=outcome)
    row = await shown(planned)
    assert row["base_outdated"] is None
    assert row["base_error"]
    await follow(planned)
    assert (await shown(planned))["base_outdated"] is None


async def test_a_base_that_was_replaced_stays_so_through_a_failure(planned: Planned) -> None:
    """A failure takes back no finding, and a base that comes back is current again."""
    await planned.has("web-1", built(base_digest=digest("old amd")))
    await follow(planned)
    await planned.answered(BASE, 2)
    await planned.described(inside(2, (AMD, "new amd")))
    await planned.described(
        Described(
            registry="ghcr.io",
            repository="acme/base",
            digest=digest("old amd"),
            checked_at=now(),
            failure=Missing(),
        )
    )
    await follow(planned)
    assert (await shown(planned))["base_outdated"] is True
    await planned.answered(BASE, outcome=Unreachable(reason="read timeout"))
    row = await shown(planned)
    assert (row["base_outdated"], row["base_error"]) == (True, "read timeout")
    await planned.answered(BASE, outcome=Found(digest=digest("old amd")))
    assert (await shown(planned))["base_outdated"] is None
    await follow(planned)
    assert (await shown(planned))["base_outdated"] is False


async def test_a_base_without_a_digest_is_told_as_such(planned: Planned) -> None:
    """A label without a digest names nothing to compare with."""
    await planned.has("web-1", built(base_digest=""))
    await follow(planned)
    row = await shown(planned)
    assert (row["base_name"], row["base_outdated"]) == (BASE, None)
    assert row["base_error"] == "no label tells the digest of the base"
    assert BASE not in await planned.names()


async def test_names_beyond_a_hosts_quota_are_asked_on_another_day(planned: Planned) -> None:
    """A host that makes up names has so many asked in a day, and the others say so."""
    builds = [built(f"acme/app{n}:1", f"r{n}.example/base:1", repo_digests=()) for n in range(3)]
    await planned.has("web-1", *builds)
    await follow(planned, most=2)
    assert len(await planned.names()) == 2
    sql = "SELECT count(*) FROM ops.comparisons WHERE base_error LIKE '%too many names%'"
    assert await planned.database.fetch_value(sql) == 1
    await follow(planned, most=9)
    assert await planned.names() == []
    await planned.database.pool.execute(
        "UPDATE fleet.bases SET read_at = read_at - interval '2 days'"
    )
    await follow(planned, most=9)
    assert len(await planned.names()) == 1
    assert await planned.database.fetch_value(sql) == 0

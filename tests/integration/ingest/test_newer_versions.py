"""Newer versions on a real database: what is listed, resolved and described, and what is shown."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from msgspec.structs import replace

from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import (
    Denied,
    Describe,
    Failure,
    Found,
    Invalid,
    Limited,
    Missing,
    Refused,
    Truncated,
    Unreachable,
    Unsupported,
)
from support.ingest import digest, image
from support.listing import (
    CANDIDATES,
    NAMES,
    REPOSITORY,
    RUN,
    described,
    resolve_all,
    tags_listed,
    versions,
)
from support.planning import LATER, Planned, planning
from support.polling import until

DAY = timedelta(days=1)
NEWEST = f"{REPOSITORY}:2.0.0"
STEPS = ("patch", "minor", "major")


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


async def shown(planned: Planned) -> dict[str, object]:
    """The single row of ops.versions, by the parts that tell versions."""
    [row] = await versions(planned)
    names = [f"newest_{step}" for step in STEPS] + [f"{step}_state" for step in STEPS]
    return {name: row[name] for name in [*names, "behind"] if row[name] not in (None, "unknown")}


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


FAILURES: tuple[Failure | None, ...] = (
    None, Missing(), Denied(), Limited(), Unreachable(), Refused(), Unsupported(), Invalid()
)  # fmt: skip
TRUNCATED: tuple[Truncated, ...] = ("", "pages", "bytes", "time", "failed")
STOPPED = [(why, failure) for why in TRUNCATED for failure in FAILURES if why or failure]


@pytest.mark.parametrize(("run", "behind"), [(NEWEST, None), (f"{REPOSITORY}:1.28.1", 1)])
@pytest.mark.parametrize("before", [True, False])
async def test_p11_a_failed_refused_or_truncated_list_never_says_that_nothing_is_newer(
    planned: Planned, run: str, behind: int | None, before: bool
) -> None:
    """Of a stopped list a step without a newer name is unknown, also after a whole list."""
    await planned.has("web-1", image(run, running=1))
    await planned.follows()
    at = now()
    for truncated, failure in STOPPED:
        if before:
            at += timedelta(seconds=1)
            await planned.listed(tags_listed(checked_at=at))
            assert "none" in (await shown(planned)).values()
        at += timedelta(seconds=1)
        said = tags_listed(truncated=truncated, failure=failure, checked_at=at)
        await planned.listed(said)
        found = await shown(planned)
        assert "none" not in found.values(), said
        assert found.get("behind") == behind, said


@pytest.mark.parametrize(
    ("names", "facts"), [((), {}), (NAMES, {"whole": False}), (("1.2-alpine",), {"cut": True})]
)
async def test_p11_a_list_that_lacks_names_never_says_that_nothing_is_newer(
    planned: Planned, names: tuple[str, ...], facts: dict[str, bool]
) -> None:
    """Of a list that is empty, or lacks names of the track, nothing is told."""
    await planned.has("web-1", image(NEWEST, running=1))
    await planned.follows()
    await planned.listed(tags_listed(names, **facts))  # type: ignore[arg-type]
    assert await shown(planned) == {}


async def test_p11_a_list_that_is_not_read_any_more_does_not_say_that_nothing_is_newer(
    planned: Planned,
) -> None:
    """After twice its period the newest tag may have a newer one, and so may the same image."""
    run = f"{REPOSITORY}:1.28.1"
    await planned.has("web-1", image(NEWEST, running=1), image(run, running=1))
    await planned.follows()
    await planned.listed(tags_listed(checked_at=now() - timedelta(hours=23)))
    await resolve_all(planned, run)
    await planned.answered(NEWEST, outcome=Found(digest=digest((run, 1))))
    older, newest = await versions(planned)
    assert (newest["behind"], newest["major_state"]) == (0, "none")
    assert (older["major_state"], older["minor_state"]) == ("same_image", "none")
    assert newest["whole_until"] > now()

    await planned.database.pool.execute("UPDATE fleet.tag_lists SET whole_until = now()")
    older, newest = await versions(planned)
    assert (newest["behind"], newest["major_state"]) == (None, "unknown")
    assert (older["major_state"], older["minor_state"]) == ("unknown", "unknown")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fleet.versions SET left_out = true",
        "UPDATE fleet.versions SET is_whole = false, behind = 0",
        "UPDATE fleet.versions SET is_compared = false",
        "UPDATE fleet.tag_lists SET failure = 'denied', failing_since = now()",
        "UPDATE fleet.newer SET state = 'newer', since = NULL",
        "UPDATE fleet.newer SET candidate_ref_id = ref_id",
        "UPDATE fleet.tag_lists SET tracks = NULL",
    ],
)
async def test_p11_no_row_can_say_that_nothing_is_newer_without_a_whole_list(
    planned: Planned, statement: str
) -> None:
    """The constraints refuse what the promise excludes, of any writer."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed())
    with pytest.raises(asyncpg.CheckViolationError):
        await planned.database.pool.execute(statement)


async def test_the_same_image_under_a_newer_tag_is_not_newer(planned: Planned) -> None:
    """A candidate with the same digest, or the same manifest, is the same image."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(("1.28.1", "1.27.5", "1.27.3")))
    await resolve_all(planned, RUN)
    await planned.answered(f"{REPOSITORY}:1.27.5", outcome=Found(digest=digest((RUN, 1))))
    await planned.answered(f"{REPOSITORY}:1.28.1")
    same = described(f"{REPOSITORY}:1.28.1", child=("amd64", RUN, 1))
    await planned.described(same)
    found = await shown(planned)
    assert (found["patch_state"], found["minor_state"], found["major_state"]) == (
        "same_image", "same_image", "none"
    )  # fmt: skip
    assert "newest_patch" not in found


async def test_the_order_in_which_both_sides_are_known_does_not_matter(planned: Planned) -> None:
    """A candidate that was known before its list is told at once."""
    await planned.has("web-1", image(RUN, running=1))
    await resolve_all(planned, *CANDIDATES)
    await planned.listed(tags_listed())
    await planned.follows()
    assert "newest_patch" not in await shown(planned)
    await resolve_all(planned, RUN)
    assert (await shown(planned))["newest_patch"] == "1.27.5"


async def test_a_candidate_that_is_gone_or_fails_is_unknown(planned: Planned) -> None:
    """A newest tag that cannot be resolved or described says neither newer nor none."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed())
    await resolve_all(planned, RUN)
    patch, minor, major = CANDIDATES
    await planned.answered(patch, outcome=Missing())
    await planned.answered(minor, outcome=Unreachable())
    await planned.answered(major)
    failed = described(major)
    await planned.described(replace(failed, children=(), failure=Denied()))
    assert await shown(planned) == {"behind": 4}
    states = await planned.database.fetch("SELECT step, state FROM fleet.newer ORDER BY step")
    assert [(*row,) for row in states] == [
        ("major", "failed"), ("minor", "failed"), ("patch", "missing")
    ]  # fmt: skip
    await planned.described(failed)
    assert (await shown(planned))["newest_major"] == "2.0.0"


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
    """Something that is newer after nothing was has its own moment."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(("1.27.5", "1.27.3")))
    await resolve_all(planned, RUN, f"{REPOSITORY}:1.27.5")
    since = await planned.database.fetch_value("SELECT since FROM fleet.newer")
    await planned.listed(tags_listed(("1.27.3",), checked_at=now() + DAY))
    await planned.listed(tags_listed(("1.27.6", "1.27.3"), checked_at=now() + 2 * DAY))
    await resolve_all(planned, f"{REPOSITORY}:1.27.6")
    assert await planned.database.fetch_value("SELECT since FROM fleet.newer") > since


async def test_a_local_build_beside_a_pulled_image_is_not_counted(planned: Planned) -> None:
    """A host with two own builds of a reference runs no version of its repository."""
    await planned.has("web-1", image(RUN, running=1))
    builds = [image(RUN, n, running=1, repo_digests=()) for n in (7, 8)]
    await planned.has("web-2", *builds)
    await planned.follows()
    [row] = await versions(planned)
    assert (row["hosts"], row["running_hosts"]) == (1, 1)


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
        said = tags_listed(("1.28.2", "1.27.3"), checked_at=now() + DAY)
        storing = asyncio.create_task(planned.listed(said))
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

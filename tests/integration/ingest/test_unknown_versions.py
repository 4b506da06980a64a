"""Versions of which it is not known what is newer: no list that lacks anything denies it (P11)."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import (
    Denied,
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
    NEWEST,
    REPOSITORY,
    RUN,
    resolve_all,
    shown,
    tags_listed,
    versions,
)
from support.planning import Planned, planning


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


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
        tags = tags_listed(truncated=truncated, failure=failure, checked_at=at)
        await planned.listed(tags)
        found = await shown(planned)
        assert "none" not in found.values(), tags
        assert found.get("behind") == behind, tags


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


async def test_p11_a_list_without_a_tag_that_its_registry_answers_for_lacks_others_too(
    planned: Planned,
) -> None:
    """An old copy of a list says nothing of a newest tag, and that tag is newer than the others."""
    older = f"{REPOSITORY}:1.28.1"
    await planned.has("web-1", image(NEWEST, running=1), image(older, running=1))
    await planned.follows()
    await resolve_all(planned, NEWEST, older)
    await planned.listed(tags_listed(NAMES[1:]))
    below, newest = await versions(planned)
    assert (below["newest_major"], below["minor_state"], below["behind"]) == ("2.0.0", "unknown", 1)
    assert (newest["behind"], newest["major_state"]) == (None, "unknown")

    await planned.listed(tags_listed())
    below, newest = await versions(planned)
    assert (below["minor_state"], newest["behind"]) == ("none", 0)


async def test_p11_a_list_that_forgets_a_newer_version_does_not_deny_it(planned: Planned) -> None:
    """A candidate stays until its registry has it no more, which is asked at once."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(("2.0.0", "1.27.3")))
    await resolve_all(planned, RUN, NEWEST)
    shortened = tags_listed(("1.27.3",), checked_at=now() + timedelta(seconds=1))
    await planned.listed(shortened)
    assert await shown(planned) == {"newest_major": "2.0.0", "major_state": "newer", "behind": 1}
    assert NEWEST in await planned.names()

    gone_at = now() + timedelta(seconds=2)
    await planned.answered(NEWEST, outcome=Missing(), checked_at=gone_at)
    assert await shown(planned) == {"behind": 1}
    await planned.listed(msgspec.structs.replace(shortened, checked_at=gone_at, listed_at=gone_at))
    assert (await shown(planned))["behind"] == 0


async def test_a_tag_that_came_after_its_list_takes_nothing_from_it(planned: Planned) -> None:
    """A list tells of the moment at which it was read, and is no shorter for a later tag."""
    await planned.has("web-1", image(f"{REPOSITORY}:1.28.1", running=1))
    await planned.follows()
    await planned.listed(tags_listed(NAMES[1:]))
    await planned.has("web-2", image(NEWEST, running=1))
    await planned.answered(NEWEST)
    await planned.follows()
    assert [row["behind"] for row in await versions(planned)] == [0, 0]


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


async def test_p11_what_another_grammar_read_is_read_again_and_listed_again(
    planned: Planned,
) -> None:
    """Rows of an earlier release say of no step that nothing is newer, and are soon of ours."""
    latest = f"{REPOSITORY}:latest"
    await planned.has("web-1", *(image(each, running=1) for each in (RUN, NEWEST, latest)))
    await planned.follows()
    await planned.listed(tags_listed())
    await resolve_all(planned, RUN, NEWEST, *CANDIDATES, latest)
    before = await versions(planned)
    assert [row["behind"] for row in before] == [4, 0]

    await planned.database.pool.execute(READ_BY_ANOTHER)
    await planned.follows()
    older, newest = await versions(planned)
    assert (newest["behind"], newest["major_state"]) == (None, "unknown")
    assert (older["newest_major"], older["behind"]) == ("2.0.0", 4)
    assert [(row["version"], row["track"]) for row in (older, newest)] == [
        (row["version"], row["track"]) for row in before
    ]
    steps = await planned.database.fetch_value("SELECT count(*) FROM fleet.newer")
    assert steps == len(CANDIDATES), "those of the tag that tells no version are gone"

    assert len(await planned.lists_asked()) == 1
    await planned.listed(tags_listed(checked_at=now() + timedelta(seconds=1)))
    assert [row["behind"] for row in await versions(planned)] == [4, 0]
    assert len(await planned.lists_asked()) == 0


READ_BY_ANOTHER = """
    UPDATE fleet.tag_lists SET grammar = 0;
    UPDATE fleet.versions SET
      grammar = 0, track = '<another>', version = '7',
      list_id = (SELECT list_id FROM fleet.tag_lists LIMIT 1);
    INSERT INTO fleet.newer (ref_id, step, candidate_ref_id, state)
    SELECT r.ref_id, 'patch', v.ref_id, 'unresolved'
    FROM fleet.image_refs AS r, fleet.versions AS v
    WHERE r.tag = 'latest' AND v.ref_id <> r.ref_id
    LIMIT 1
"""
"""The rows as another grammar might have made them: it reads a version in `latest`."""

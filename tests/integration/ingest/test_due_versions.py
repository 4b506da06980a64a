"""Newer versions that are due: what asks for them, what puts them off, and since when they are."""

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from support.decided_fleet import HOSTS, NEWER, REFERENCES, TRACK, Decided, decide, fill

APP = REFERENCES[4]
"""A patch, a minor and a major version are newer: 3.1, 3.2 and 4."""


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A database with the small fleet."""
    connection = await asyncpg.connect(dsn)
    try:
        await fill(connection)
        yield connection
    finally:
        await connection.close()


async def versions(
    database: asyncpg.Connection, view: str = "due", reference: str = APP
) -> dict[str, str]:
    """The versions that are due of a reference, by host: `3.1 3.2`."""
    rows = await database.fetch(
        "SELECT host, string_agg(newest, ' ' ORDER BY newest) AS newest"
        f" FROM ops.{view} WHERE cause = 'version' AND reference = $1 GROUP BY host",
        reference,
    )
    return {row["host"]: row["newest"] for row in rows}


async def label(database: asyncpg.Connection, host: str, **policy: object) -> None:
    """Give the containers of a host labels."""
    await database.execute(
        "UPDATE fleet.host_images SET own = jsonb_build_object('policy', $2::jsonb)"
        " WHERE host_id = (SELECT host_id FROM fleet.hosts WHERE host = $1)",
        host,
        json.dumps(policy),
    )


async def replace(database: asyncpg.Connection, before: str, after: str) -> None:
    """Let another tag be the newest of a step."""
    name = APP.rpartition(":")[0]
    await database.execute(
        "WITH c AS (INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)"
        " SELECT $1 || ':' || $3, registry, repository, $3, policy FROM fleet.image_refs"
        " WHERE reference = $1 || ':' || $2 RETURNING ref_id)"
        " UPDATE fleet.newer SET candidate_ref_id = (SELECT ref_id FROM c)"
        " WHERE candidate_ref_id ="
        " (SELECT ref_id FROM fleet.image_refs WHERE reference = $1 || ':' || $2)",
        name,
        before,
        after,
    )


async def test_a_newer_version_is_due_only_where_it_is_asked_for(
    database: asyncpg.Connection,
) -> None:
    """Up to the step that is asked for, on the hosts that are meant; outdated images stay due."""
    outdated = await database.fetchval("SELECT count(*) FROM ops.due")
    assert await versions(database) == {}

    await decide(database, Decided(APP, "within", "minor", env="prod"))
    assert await versions(database) == {"a": "3.1 3.2", "c": "3.1 3.2"}
    await decide(database, Decided("registry.example.org:5000/*", "within", "major"))
    assert await versions(database) == {"a": "3.1 3.2", "b": "3.1 3.2 4", "c": "3.1 3.2"}
    rows = await database.fetchval("SELECT count(*) FROM ops.due WHERE cause = 'outdated'")
    assert rows == outdated


async def test_a_pin_and_a_step_count_by_which_is_nearer(database: asyncpg.Connection) -> None:
    """A pin for all is no pin where a whole reference says which step is due."""
    await decide(database, Decided("registry.example.org:5000/*", "within", "major"))
    await decide(database, Decided(APP, "pin", site="ber1"))
    assert await versions(database) == {"c": "3.1 3.2 4"}

    await decide(database, Decided(APP, "within", "patch", site="ber1"))
    assert await versions(database) == {"a": "3.1", "b": "3.1", "c": "3.1 3.2 4"}


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ({"within": "major"}, "3.1 3.2 4"),
        ({"within": "patch", "wait_s": 3600}, "3.1"),
        ({"within": "major", "track": TRACK}, "3.1 3.2 4"),
        ({"within": "major", "track": "v<2>"}, None),
        ({"within": "major", "pin": True}, None),
        ({"pin": True}, None),
        ({"wait_s": 34560000}, None),
    ],
)
async def test_a_label_of_a_container_comes_before_every_decision(
    database: asyncpg.Connection, policy: dict[str, object], found: str | None
) -> None:
    """On its own host alone."""
    await decide(database, Decided(APP, "within", "minor"))
    await label(database, "a", **policy)
    others = {"b": "3.1 3.2", "c": "3.1 3.2"}
    assert await versions(database) == others | ({"a": found} if found else {})


async def test_a_label_alone_asks_for_versions(database: asyncpg.Connection) -> None:
    """No decision has to be there."""
    await label(database, "b", within="minor")
    assert await versions(database) == {"b": "3.1 3.2"}


async def test_a_version_that_is_skipped_gives_way_to_the_next(
    database: asyncpg.Connection,
) -> None:
    """One that is skipped is excused until another is the newest of its step."""
    await decide(database, Decided(APP, "within", "minor"))
    key = await decide(database, Decided(APP, "skip", "3.2"))
    assert set((await versions(database)).values()) == {"3.1"}
    assert set((await versions(database, "excused")).values()) == {"3.2"}
    rows = await database.fetch("SELECT * FROM ops.excused WHERE cause = 'version'")
    assert {(row["kind"], row["decision_id"]) for row in rows} == {("skip", key)}

    await decide(database, Decided(APP, "skip"))
    assert await versions(database) == {}
    assert set((await versions(database, "excused")).values()) == {"3.1 3.2"}

    await replace(database, "3.2", "3.3")
    assert set((await versions(database)).values()) == {"3.3"}


async def test_a_skip_of_versions_says_whether_it_holds(database: asyncpg.Connection) -> None:
    """A skip is over when none of its versions is the newest of a step any more."""
    await decide(database, Decided(APP, "skip", "4"))
    [row] = await database.fetch("SELECT value, versions, active FROM ops.decisions")
    assert tuple(row) == ("4", ["4"], True)

    await replace(database, "4", "5")
    assert await database.fetchval("SELECT active FROM ops.decisions") is False


async def test_a_skip_where_no_version_is_asked_for_is_of_the_digest_alone(
    database: asyncpg.Connection,
) -> None:
    """A version that is asked for later is due."""
    await decide(database, Decided(APP, "skip"))
    await decide(database, Decided(APP, "within", "minor"))
    assert set((await versions(database)).values()) == {"3.1 3.2"}


async def test_a_digest_that_is_skipped_is_no_version(database: asyncpg.Connection) -> None:
    """A skip of a digest leaves newer versions due."""
    await decide(database, Decided(APP, "within", "major"))
    digest = await database.fetchval("SELECT remote_digest FROM ops.due LIMIT 1")
    await decide(database, Decided(APP, "skip", digest))
    rows = await database.fetch("SELECT cause FROM ops.due WHERE reference = $1", APP)
    assert [row["cause"] for row in rows] == ["version"] * len(HOSTS) * len(NEWER[APP])


async def test_the_waiting_time_of_a_version_is_not_restarted(database: asyncpg.Connection) -> None:
    """The time counts from when a version was first newer, whatever is checked or restarted."""
    await decide(database, Decided("*", "within", "minor"))
    await decide(database, Decided("*", "wait", "7 days"))
    sql = "SELECT host, reference, due_at FROM ops.due WHERE cause = 'version' ORDER BY 1, 2"
    before = await database.fetch(sql)
    assert {row["reference"] for row in before} == {APP}  # 9 days; the others for less than 7
    await database.execute("UPDATE fleet.answers SET remote_since = now(), checked_at = now()")
    await database.execute("UPDATE fleet.host_images SET since = now(), running = 0")
    await database.execute(
        "UPDATE fleet.comparisons SET verdict = 'current', reason = 'digest_match'"
    )
    assert await database.fetch(sql) == before


async def test_what_is_not_known_to_be_newer_is_not_due(database: asyncpg.Connection) -> None:
    """Neither a candidate that is not resolved, nor the same image, nor one that failed."""
    await decide(database, Decided("*", "within", "major"))
    for state in ("unresolved", "same_image", "missing", "failed"):
        await database.execute("UPDATE fleet.newer SET state = $1", state)
        assert [await versions(database, view) for view in ("due", "excused")] == [{}, {}]


async def test_an_image_that_was_built_on_its_host_is_behind_no_version(
    database: asyncpg.Connection,
) -> None:
    """No registry is asked about a local image (P2)."""
    await decide(database, Decided("*", "within", "major"))
    assert {reference for reference in NEWER if await versions(database, reference=reference)}
    await database.execute("UPDATE fleet.comparisons SET repo_digests = '{}'")
    assert not {reference for reference in NEWER if await versions(database, reference=reference)}


@pytest.mark.parametrize("value", ["9.9", "latest"])
async def test_only_a_newest_version_can_be_skipped(
    database: asyncpg.Connection, value: str
) -> None:
    """The words say where the versions are."""
    with pytest.raises(asyncpg.InvalidParameterValueError, match=r"see ops\.versions"):
        await decide(database, Decided(APP, "skip", value))

"""Due images: decisions against a slow reading of the same rules, and their bounds."""

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagedrift_ingest.adapters.postgres.statements import load
from support.decided_fleet import (
    HOSTS,
    NEW,
    NEWER,
    OTHER,
    REFERENCES,
    STEPS,
    TRACK,
    Decided,
    decide,
    expected,
    fill,
)

NGINX = REFERENCES[0]
COUNT_DUE = load("fleet_counts")["count_due"]


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A database with the small fleet."""
    connection = await asyncpg.connect(dsn)
    try:
        await fill(connection)
        yield connection
    finally:
        await connection.close()


async def due(database: asyncpg.Connection) -> set[tuple[str, str]]:
    """The images that are due, by host and reference."""
    return {(row[0], row[1]) for row in await database.fetch("SELECT host, reference FROM ops.due")}


patterns = st.sampled_from(
    [*REFERENCES, "*", "docker.io/*", "docker.io/library/nginx*", "ghcr.io/org/*", "quay.io/*"]
)
selectors = {
    "site": st.sampled_from([None, None, "ber1", "fra1"]),
    "place": st.sampled_from([None, None, "ber1", "ber1/rack-1", "fra1/rack-1"]),
    "env": st.sampled_from([None, None, "prod", "test"]),
}
spans = st.sampled_from(["0 days", "2 days", "4 days", "10 days", "100 days"])
skipped = st.sampled_from([None, NEW, OTHER])
skippable = st.sampled_from(
    [(reference, tag) for reference, steps in NEWER.items() for tag, _ in steps.values()]
)


def decisions(
    kinds: list[str],
    about: st.SearchStrategy[str] = patterns,
    value: st.SearchStrategy[str | None] = st.none(),  # noqa: B008 - a strategy never changes
    until_days: float | None = None,
) -> st.SearchStrategy[Decided]:
    """Make decisions of these kinds."""
    kind, until = st.sampled_from(kinds), st.just(until_days)
    return st.builds(Decided, about, kind, value, **selectors, until_days=until)


decided = st.one_of(
    decisions(["wait", "due_after"], value=spans),
    decisions(["ignore", "accept"]),
    decisions(["snooze"], until_days=1.0),
    decisions(["skip"], st.sampled_from(REFERENCES), skipped),
    decisions(["within"], value=st.sampled_from(STEPS)),
    decisions(["pin"]),
    decisions(["track"], value=st.sampled_from([TRACK, "v<2>"])),
    st.builds(lambda of, **host: Decided(of[0], "skip", of[1], **host), skippable, **selectors),
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=st.lists(st.tuples(decided, st.booleans()), max_size=8))
async def test_what_is_due_is_what_the_rules_say(
    database: asyncpg.Connection, made: list[tuple[Decided, bool]]
) -> None:
    """For any decisions, some of them undone, views and counts equal a plain reading of them."""
    transaction = database.transaction()
    await transaction.start()
    try:
        keys = [(await decide(database, each), each, undone) for each, undone in made]
        for key, _, undone in keys:
            if undone:
                await database.execute("SELECT ops.undo($1, '')", key)
        now = await database.fetchval("SELECT now()")
        ever = [(key, each) for key, each, _ in keys]
        right = expected([(key, each) for key, each, undone in keys if not undone], ever, now)
        found = await database.fetch(
            "SELECT host, reference, coalesce(step, '') AS step, newest, true AS due,"
            " overdue_for IS NOT NULL AS overdue, false AS excused FROM ops.due UNION ALL"
            " SELECT host, reference, coalesce(step, ''), newest, false, false, kind <> 'wait'"
            " FROM ops.excused"
        )
        names = ("host", "reference", "step")
        assert len(found) == len(right)
        assert {tuple(row[name] for name in names): dict(row.items()) for row in found} == {
            key: {**dict(zip(names, key, strict=True)), **state} for key, state in right.items()
        }
        await database.execute(COUNT_DUE)
        counted = await database.fetchrow("SELECT * FROM ops.fleet_summary")
        assert counted is not None
        shown = ("due", "overdue", "waiting", "excused", "due_versions")
        assert {name: counted[name] for name in shown} == {
            "due_versions": sum(s["due"] for key, s in right.items() if key[2]),
            "due": sum(state["due"] for state in right.values()),
            "overdue": sum(state["overdue"] for state in right.values()),
            "waiting": sum(not (s["due"] or s["excused"]) for s in right.values()),
            "excused": sum(state["excused"] for state in right.values()),
        }
    finally:
        await transaction.rollback()


async def test_a_decision_excuses_and_is_taken_back(database: asyncpg.Connection) -> None:
    """The audit names login and reason; deciding and undoing are one row each, never changed."""
    everything = set(itertools.product(HOSTS, REFERENCES))
    assert await due(database) == everything

    key = await decide(database, Decided(NGINX, "ignore"))
    assert await due(database) == {pair for pair in everything if pair[1] != NGINX}
    [excused, *_] = await database.fetch("SELECT * FROM ops.excused")
    assert excused["excused_by"] == "ignore by postgres: because"

    await database.execute("SELECT ops.undo($1, 'it was wrong')", key)
    assert await due(database) == everything
    [row] = await database.fetch("SELECT * FROM ops.decisions")
    assert (row["active"], row["matches"], row["undone_because"]) == (False, 1, "it was wrong")
    assert await database.fetchval("SELECT count(*) FROM fleet.decisions") == 2


async def test_a_skip_ends_when_the_tag_moves(database: asyncpg.Connection) -> None:
    """The digest that the tag has now is skipped; the next one is due, and the skip is over."""
    await decide(database, Decided(NGINX, "skip"))
    assert ("a", NGINX) not in await due(database)

    await database.execute("UPDATE fleet.answers SET remote_digest = $1", OTHER)

    assert ("a", NGINX) in await due(database)
    assert await database.fetchval("SELECT active FROM ops.decisions") is False


async def test_a_snooze_ends_by_itself(database: asyncpg.Connection) -> None:
    """A moment later than its end, what it excused is due."""
    await decide(database, Decided("*", "snooze", until_days=1 / 864000))
    await database.fetch("SELECT pg_sleep_until(until) FROM ops.decisions")
    assert len(await due(database)) == len(HOSTS) * len(REFERENCES)


async def test_the_audit_cannot_be_changed(database: asyncpg.Connection) -> None:
    """No login updates, deletes or empties the audit, the owner included."""
    await decide(database, Decided(NGINX, "ignore"))
    for change in (
        "UPDATE fleet.decisions SET reason = ''",
        "DELETE FROM fleet.decisions",
        "TRUNCATE fleet.decisions CASCADE",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed or removed"):
            await database.execute(change)


WRONG = {
    "write the registry in full": ("nginx:1.27", "{}", "ignore", None, "r", None),
    "a reference has a tag": ("docker.io/library/nginx", "{}", "ignore", None, "r", None),
    "1 to 500 characters": ("docker.io/" + "a" * 500 + ":1", "{}", "ignore", None, "r", None),
    "write the registry": ("docker.io/a*b:1", "{}", "ignore", None, "r", None),
    "kind close": (NGINX, "{}", "close", None, "r", None),
    "ignore needs a reason": (NGINX, "{}", "ignore", None, " ", None),
    "accept needs a reason": (NGINX, "{}", "accept", None, None, None),
    "snooze needs an end": (NGINX, "{}", "snooze", None, "r", None),
    "in the future": (NGINX, "{}", "snooze", datetime(2020, 1, 1, tzinfo=UTC), "r", None),
    "before the year 9999": (NGINX, "{}", "pin", datetime(9999, 1, 1, tzinfo=UTC), "r", None),
    "^value v{100}: write": (NGINX, "{}", "wait", None, "r", "v" * 10000),
    "name one reference": ("docker.io/*", "{}", "skip", None, "r", NEW),
    "no remote digest": ("docker.io/library/none:1", "{}", "skip", None, "r", None),
    "it is no digest": (NGINX, "{}", "skip", None, "r", "latest"),
    "a span of 0 to 400": (NGINX, "{}", "wait", None, "r", "soon"),
    "400 days": (NGINX, "{}", "due_after", None, "r", "2 years"),
    "value null": (NGINX, "{}", "wait", None, "r", None),
    "patch, minor or major": (NGINX, "{}", "within", None, "r", "all"),
    "track needs": (NGINX, "{}", "track", None, "r", ""),
    "ignore has no value": (NGINX, "{}", "ignore", None, "r", "3 days"),
    "selector rack": (NGINX, '{"rack": "7"}', "ignore", None, "r", None),
    "selector site": (NGINX, '{"site": 1}', "ignore", None, "r", None),
    "is not K=V": (NGINX, '{"label": "prod"}', "ignore", None, "r", None),
    "has to be an object": (NGINX, "[]", "ignore", None, "r", None),
    "too long": (NGINX, f'{{"site": "{"s" * 64}"}}', "ignore", None, "r", None),
    "key and the value of label": (
        NGINX, f'{{"label": "env={"v" * 257}"}}', "ignore", None, "r", None
    ),
    "selector place: it has to be a text": (NGINX, '{"place": "/"}', "ignore", None, "r", None),
    "at most 1000 bytes": (NGINX, "{}", "ignore", None, "r" * 1001, None),
}  # fmt: skip


@pytest.mark.parametrize(("words", "wrong"), WRONG.items(), ids=list(WRONG))
async def test_a_wrong_decision_is_refused_in_words(
    database: asyncpg.Connection, words: str, wrong: tuple[object, ...]
) -> None:
    """The words name the field and what is right, and nothing is stored."""
    with pytest.raises(asyncpg.InvalidParameterValueError, match=words):
        await database.execute("SELECT ops.decide($1, $2::jsonb, $3, $4, $5, $6)", *wrong)
    assert await database.fetchval("SELECT count(*) FROM fleet.decisions") == 0


async def test_what_cannot_be_undone_is_said(database: asyncpg.Connection) -> None:
    """Neither an unknown decision, nor one twice, nor an undoing."""
    key = await decide(database, Decided(NGINX, "ignore"))
    undone = await database.fetchval("SELECT ops.undo($1, '')", key)
    for each, words in ((key, "undone already"), (undone, "no such"), (1, "no such decision: 1")):
        with pytest.raises(asyncpg.InvalidParameterValueError, match=words):
            await database.execute("SELECT ops.undo($1, '')", each)


async def test_the_waiting_time_is_not_restarted_by_a_further_move(
    database: asyncpg.Connection,
) -> None:
    """The waiting time counts from the first replacement, not from the last move or check."""
    await decide(database, Decided("*", "wait", "2 days"))
    before = await database.fetch("SELECT reference, due_at FROM ops.due ORDER BY host, reference")
    assert before
    await database.execute(
        "UPDATE fleet.answers SET remote_digest = $1, remote_since = now(), checked_at = now()",
        OTHER,
    )
    await database.execute("UPDATE fleet.host_images SET since = now()")
    after = await database.fetch("SELECT reference, due_at FROM ops.due ORDER BY host, reference")
    assert before == after


async def test_what_is_due_names_versions(database: asyncpg.Connection) -> None:
    """Columns of versions stand at the end, as in ops.outdated."""
    await database.execute(
        'UPDATE fleet.comparisons SET facts = \'{"version": "1.27.3", "source": "here"}\''
    )
    await database.execute(
        "INSERT INTO fleet.image_facts (digest, platform, version, built_at, read_at)"
        " VALUES ($1, 'linux/amd64', '1.27.5', '2026-10-01', now())",
        NEW,
    )
    await decide(database, Decided("docker.io/*", "ignore"))
    columns = "host, reference, local_version, remote_version, remote_built_at, source"
    order = "ORDER BY host, reference"
    held = await database.fetch(f"SELECT {columns} FROM ops.outdated {order}")
    rows = await database.fetch(
        f"SELECT {columns} FROM ops.due UNION ALL SELECT {columns} FROM ops.excused {order}"
    )
    assert rows == held
    assert {row["local_version"] for row in rows} == {"1.27.3"}
    assert {row["remote_version"] for row in rows} == {"1.27.5"}


async def test_a_label_of_a_container_comes_before_every_decision(
    database: asyncpg.Connection,
) -> None:
    """An image that waits by a label says so and is counted; only an excuse changes that."""
    await decide(database, Decided("*", "wait", "0 days"))
    await database.execute(
        """UPDATE fleet.host_images SET own = '{"policy": {"wait_s": 34560000}}'"""
        " WHERE host_id = (SELECT host_id FROM fleet.hosts WHERE host = 'a')"
    )
    assert {host for host, _ in await due(database)} == {"b", "c"}
    [row, *_] = await database.fetch("SELECT * FROM ops.excused")
    assert (row["host"], row["kind"], row["decision_id"]) == ("a", "wait", None)
    assert row["excused_by"] == "wait by a container's label"
    await database.execute(COUNT_DUE)
    assert await database.fetchval("SELECT waiting FROM ops.fleet_summary") == len(REFERENCES)

    await decide(database, Decided("*", "ignore"))
    assert {row[0] for row in await database.fetch("SELECT kind FROM ops.excused")} == {"ignore"}


async def test_a_pattern_is_read_alike_whatever_a_session_has_set(
    database: asyncpg.Connection,
) -> None:
    """A decision is made where backslashes in strings are escapes, as in old applications."""
    await database.execute("SET standard_conforming_strings = off")
    assert await decide(database, Decided("registry.example.org:5000/team/*", "pin"))
    backslashes = await database.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text IN ('fleet', 'ops')"
        " AND strpos(prosrc, chr(92)) > 0"
        " AND NOT 'standard_conforming_strings=on' = ANY (coalesce(proconfig, '{}'))"
    )
    assert backslashes == []

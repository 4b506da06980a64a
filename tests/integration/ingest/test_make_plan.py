"""Plans: which hosts are in which ring, and what their inventories say of them."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from support.decided_fleet import HOSTS, NEW, OLD, OTHER, REFERENCES, Decided, decide, fill

NGINX = REFERENCES[0]
ALL = [Decimal(1)]


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A database with the small fleet, all of whose images are outdated."""
    connection = await asyncpg.connect(dsn)
    try:
        await fill(connection)
        yield connection
    finally:
        await connection.close()


async def make(
    database: asyncpg.Connection,
    refs: list[str] | None = None,
    rings: list[Decimal] = ALL,
    **selector: str,
) -> int:
    """Save a plan and return its key."""
    row = await database.fetchrow(
        "SELECT * FROM ops.make_plan($1, $2, $3::jsonb, 'a test')",
        refs,
        rings,
        json.dumps(selector),
    )
    assert row is not None
    rows = "SELECT count(*) FROM fleet.plan_hosts WHERE plan_id = $1"
    assert row["images"] == await database.fetchval(rows, row["plan_id"])
    found: int = row["plan_id"]
    return found


async def planned(database: asyncpg.Connection, plan_id: int) -> set[tuple[str, str]]:
    """The hosts and references of a plan."""
    rows = await database.fetch(
        "SELECT host, reference FROM ops.plan_hosts WHERE plan_id = $1", plan_id
    )
    return {(row["host"], row["reference"]) for row in rows}


async def states(database: asyncpg.Connection, plan_id: int) -> dict[str, str]:
    """The state of each host of a plan about one reference."""
    rows = await database.fetch(
        "SELECT host, state FROM ops.plan_hosts WHERE plan_id = $1", plan_id
    )
    counts = await database.fetchrow("SELECT * FROM ops.plans WHERE plan_id = $1", plan_id)
    assert counts is not None
    told = Counter(row["state"] for row in rows)
    for state in ("waiting", "done", "silent", "regressed"):
        assert counts[state] == told[state]
    return {row["host"]: row["state"] for row in rows}


async def updated(database: asyncpg.Connection, host: str, digest: str, running: int = 1) -> None:
    """Let a host have another image of the first reference in place of the one that it has."""
    await database.execute(
        """
        WITH c AS (
          INSERT INTO fleet.comparisons (ref_id, image_id, repo_digests, platform, verdict, reason,
                                         verdict_since)
          SELECT ref_id, $2, ARRAY[$2], 'linux/amd64', 'outdated', 'digest_differs', now()
          FROM fleet.image_refs WHERE reference = $3
          ON CONFLICT (ref_id, identity) DO UPDATE SET verdict_since = now()
          RETURNING comparison_id, ref_id
        )
        UPDATE fleet.host_images AS hi SET comparison_id = c.comparison_id, running = $4
        FROM c, fleet.comparisons AS old, fleet.hosts AS h
        WHERE h.host = $1 AND hi.host_id = h.host_id AND old.comparison_id = hi.comparison_id
          AND old.ref_id = c.ref_id
        """,
        host, digest, NGINX, running,
    )  # fmt: skip


async def test_all_that_is_due_is_planned_or_one_reference_whatever_is_decided(
    database: asyncpg.Connection,
) -> None:
    """A selector leaves the hosts that it is about."""
    await decide(database, Decided(NGINX, "ignore"))
    due = {(row[0], row[1]) for row in await database.fetch("SELECT host, reference FROM ops.due")}
    assert await planned(database, await make(database)) == due
    assert await planned(database, await make(database, [NGINX])) == {(h, NGINX) for h in HOSTS}
    inside = await planned(database, await make(database, [NGINX], place="ber1/"))
    assert inside == {("a", NGINX), ("b", NGINX)}
    labelled = await planned(database, await make(database, [NGINX], label="env=test", site="ber1"))
    assert labelled == {("b", NGINX)}


async def test_a_host_is_in_the_same_ring_of_every_plan(database: asyncpg.Connection) -> None:
    """Rings have about their share of hosts, and without a rest some hosts are in none."""
    await database.execute(
        """
        WITH h AS (
          INSERT INTO fleet.hosts (site, host)
          SELECT 'many', 'n' || n FROM generate_series(1, 2000) AS n
          RETURNING host_id
        ), s AS (
          INSERT INTO fleet.host_state (host_id, content, last_seen_at, silent_at)
          SELECT host_id, sha256('x'), now(), now() + interval '1 day' FROM h
        )
        INSERT INTO fleet.host_images (host_id, comparison_id, since)
        SELECT h.host_id, (SELECT min(comparison_id) FROM fleet.comparisons), now() FROM h
        """
    )
    rings = [Decimal("0.1"), Decimal("0.3"), Decimal("0.6")]
    plans = [await make(database, rings=rings), await make(database, rings=rings[:2])]
    sql = "SELECT host, min(ring) AS ring FROM ops.plan_hosts WHERE plan_id = $1 GROUP BY host"
    whole, part = [
        {row["host"]: row["ring"] for row in await database.fetch(sql, plan)} for plan in plans
    ]
    assert part == {host: ring for host, ring in whole.items() if ring < 3}
    counts = Counter(whole.values())
    assert 150 <= counts[1] <= 250
    assert 520 <= counts[2] <= 680
    ordered = "SELECT share FROM ops.plans WHERE plan_id = $1 ORDER BY ring"
    shares = await database.fetch(ordered, plans[0])
    assert [row["share"] for row in shares] == rings


async def test_a_host_is_done_when_an_inventory_has_the_image_and_it_runs(
    database: asyncpg.Connection,
) -> None:
    """Pulled alone it still waits, and one that is stopped after it has regressed."""
    plan_id = await make(database, [NGINX])
    assert await states(database, plan_id) == dict.fromkeys(HOSTS, "waiting")

    await updated(database, "a", NEW)
    await updated(database, "b", NEW, running=0)
    assert await states(database, plan_id) == {"a": "done", "b": "regressed", "c": "waiting"}


async def test_an_image_that_is_pulled_beside_the_running_one_waits(
    database: asyncpg.Connection,
) -> None:
    """The old image's container still runs: nothing has regressed, and nothing is done."""
    plan_id = await make(database, [NGINX])
    await updated(database, "a", NEW)
    await database.execute(
        """
        INSERT INTO fleet.host_images (host_id, comparison_id, since, running)
        SELECT h.host_id, c.comparison_id, now(), 0
        FROM fleet.hosts AS h, fleet.comparisons AS c
        WHERE h.host = 'c' AND $1 = ANY (c.repo_digests)
        """,
        NEW,
    )
    assert await states(database, plan_id) == {"a": "done", "b": "waiting", "c": "waiting"}


async def test_a_host_that_went_further_than_the_plan_is_done(
    database: asyncpg.Connection,
) -> None:
    """The tag has moved on since, and the host has what it points to now."""
    plan_id = await make(database, [NGINX])
    await updated(database, "a", OTHER)
    await database.execute(
        "UPDATE fleet.comparisons SET verdict = 'current', reason = 'digest_match'"
        " WHERE $1 = ANY (repo_digests)",
        OTHER,
    )
    assert (await states(database, plan_id))["a"] == "done"


async def test_what_is_not_heard_is_not_claimed(database: asyncpg.Connection) -> None:
    """A silent host is silent unless it was done before; one that lost the image has regressed."""
    plan_id = await make(database, [NGINX])
    await updated(database, "a", NEW)
    await database.execute(
        "UPDATE fleet.host_state SET silent_at = now() - interval '1 s' WHERE host_id IN"
        " (SELECT host_id FROM fleet.hosts WHERE host IN ('a', 'b'))"
    )
    await database.execute(
        "DELETE FROM fleet.host_images WHERE host_id IN (SELECT host_id FROM fleet.hosts"
        " WHERE host IN ('b', 'c'))"
    )
    assert await states(database, plan_id) == {"a": "done", "b": "silent", "c": "regressed"}


WRONG: dict[str, tuple[Any, ...]] = {
    "no host has the reference docker.io/library/none:1": (
        ["docker.io/library/none:1"],
        ALL,
        "{}",
        "",
    ),
    "no host has the reference null": ([NGINX, None], ALL, "{}", ""),
    "name 1 to 100 references": ([NGINX] * 101, ALL, "{}", ""),
    "or none for all that is due": ([[NGINX]], ALL, "{}", ""),
    "1 to 20 rings": (None, [], "{}", ""),
    "at most 1": (None, [Decimal("0.6"), Decimal("0.6")], "{}", ""),
    "from 0 to 1": (None, [Decimal("NaN")], "{}", ""),
    "selector rack": (None, ALL, '{"rack": "7"}', ""),
    "at most 1000 bytes": (None, ALL, "{}", "n" * 1001),
    "one list of shares": (None, [[Decimal("0.4")], [Decimal("0.6")]], "{}", ""),
    "the selector is too long": (None, ALL, f'{{"place": "{"p" * 5000}"}}', ""),
    "selector place: it has to be a text": (None, ALL, '{"place": "//"}', ""),
}


@pytest.mark.parametrize(("words", "wrong"), WRONG.items(), ids=list(WRONG))
async def test_a_wrong_plan_is_refused_in_words(
    database: asyncpg.Connection, words: str, wrong: tuple[object, ...]
) -> None:
    """The words name what is wrong, and nothing is stored."""
    with pytest.raises(asyncpg.InvalidParameterValueError, match=words):
        await database.execute("SELECT ops.make_plan($1, $2, $3::jsonb, $4)", *wrong)
    assert await database.fetchval("SELECT count(*) FROM fleet.plans") == 0


async def test_a_hundred_references_of_any_length_are_a_plan(database: asyncpg.Connection) -> None:
    """A plan may name as many references as are allowed, however long their names are."""
    names = [f"docker.io/{'n' * 250}{number}:{'t' * 128}" for number in range(100)]
    await database.execute(
        "INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy) SELECT name,"
        " 'docker.io', substr(split_part(name, ':', 1), 11), split_part(name, ':', 2), 'ask'"
        " FROM unnest($1::text[]) AS name",
        names,
    )
    await make(database, names)
    assert await database.fetchval("SELECT what FROM ops.plans") == ", ".join(names)


async def test_a_plan_keeps_its_digests_and_its_author(database: asyncpg.Connection) -> None:
    """The plan does not change when a tag moves."""
    plan_id = await make(database, [NGINX])
    await database.execute("UPDATE fleet.answers SET remote_digest = $1", OLD)
    digests = "SELECT DISTINCT digest FROM ops.plan_hosts WHERE plan_id = $1"
    assert await database.fetchval(digests, plan_id) == NEW
    row = await database.fetchrow("SELECT * FROM ops.plans WHERE plan_id = $1", plan_id)
    assert row is not None
    assert (row["by"], row["what"], row["note"]) == ("postgres", NGINX, "a test")

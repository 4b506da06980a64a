"""How the hot queries are answered: through which indexes, and what they leave unread."""

import asyncio
import re
from collections.abc import Iterator

import asyncpg
import pytest

from imagedrift_bench.due import decide
from imagedrift_bench.seed import seed
from imagedrift_dashboard.core.filters import FILTERS
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_runtime.clock import now
from imagedrift_sandbox.fleet.invented import SITE, InventedFleet
from imagedrift_sandbox.postgres import PostgresServer
from support.postgres import fresh_database, migrated

FLEET = InventedFleet(hosts=3000, images=10, references=600)
HOST = f"site = '{SITE}' AND host = '{FLEET.host(7)}'"
REFERENCE = f"reference = '{FLEET.reference(3)}'"
NOWHERE = FILTERS["place"].condition.replace(":place", "'nowhere'")


@pytest.fixture(scope="module")
def fleet_dsn(server: PostgresServer) -> Iterator[str]:
    """A database with a fleet large enough for indexes to pay."""
    for dsn in fresh_database(server, migrated(server)):
        asyncio.run(filled(dsn))
        yield dsn


async def filled(dsn: str) -> None:
    """Put the fleet into the database."""
    connection = await asyncpg.connect(dsn)
    try:
        await seed(connection, FLEET)
        await connection.execute(LISTED)
        await connection.execute(BUILT)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


LISTED = """
    INSERT INTO fleet.tag_lists (
      registry, repository, tracks, listed_at, changed_at, attempted_at, next_list_at, weight
    )
    SELECT registry, repository, '[]', now(), now(), now(), now() + interval '1 h', 3
    FROM fleet.image_refs;
    INSERT INTO fleet.versions (ref_id, list_id, track, version, is_compared)
    SELECT r.ref_id, l.list_id, '<3>', '1.2.3', true
    FROM fleet.image_refs AS r
    JOIN fleet.tag_lists AS l ON l.repository = r.repository;
    INSERT INTO fleet.newer (ref_id, step, candidate_ref_id, state, since)
    SELECT ref_id, 'minor', ref_id + 1, 'newer', now() FROM fleet.versions WHERE ref_id % 2 = 1;
"""
"""A list for each reference, and a candidate for every second one."""

BUILT = """
    UPDATE fleet.comparisons SET facts = jsonb_build_object(
      'base_name', 'docker.io/library/base:' || ref_id, 'base_digest', 'sha256:' || repeat('0', 64)
    );
    INSERT INTO fleet.bases (name, digest, platform, ref_id, state, judged_digest)
    SELECT DISTINCT
      facts ->> 'base_name', facts ->> 'base_digest', platform, ref_id,
      'newer', facts ->> 'base_digest'
    FROM fleet.comparisons
    WHERE ref_id > 1;
"""
"""The images of each reference have a base, and one of these bases is not followed yet."""


@pytest.fixture(scope="module")
def decided_dsn(fleet_dsn: str) -> str:
    """The same database, with a thousand decisions."""
    asyncio.run(decided(fleet_dsn))
    return fleet_dsn


async def decided(dsn: str) -> None:
    """Decide about the fleet."""
    connection = await asyncpg.connect(dsn)
    try:
        await decide(connection, FLEET)
    finally:
        await connection.close()


async def plan(dsn: str, sql: str, *arguments: object) -> str:
    """The plan of a query on a disk where an index costs what memory costs."""
    connection = await asyncpg.connect(dsn, server_settings={"random_page_cost": "1.1"})
    try:
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {sql}", *arguments)
        return "\n".join(row[0] for row in rows)
    finally:
        await connection.close()


def scanned(text: str) -> set[str]:
    """The tables that are read from one end to the other."""
    return set(re.findall(r"Seq Scan on (\w+)", text))


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (f"SELECT * FROM ops.outdated WHERE {HOST}", "host_images_pkey"),
        (f"SELECT * FROM ops.hosts WHERE {HOST}", "hosts_"),
        (f"SELECT * FROM ops.comparisons WHERE {HOST} AND {REFERENCE}", "image_refs_reference_key"),
        (
            f"SELECT host FROM ops.outdated WHERE {REFERENCE} LIMIT 100",
            "host_images_comparison_idx",
        ),
        (f"SELECT * FROM ops.tag_history WHERE {REFERENCE}", "remote_history_pkey"),
        (f"SELECT * FROM ops.host_history WHERE {HOST}", "host_changes_"),
    ],
)
async def test_a_question_about_one_thing_reads_no_whole_table(
    fleet_dsn: str, sql: str, index: str
) -> None:
    """A query about one host or image reads no whole table."""
    found = await plan(fleet_dsn, sql)
    assert index in found
    assert not scanned(found) & {"host_images", "hosts", "host_state"}


async def test_who_has_a_digest_is_found_by_the_digest(fleet_dsn: str) -> None:
    """The hosts with a digest are found by indexes."""
    sql = "SELECT host FROM ops.comparisons WHERE local_digests @> ARRAY[$1]"
    found = await plan(fleet_dsn, sql, FLEET.digest(3, 1))
    assert "comparisons_digests_idx" in found
    assert "host_images_comparison_idx" in found
    assert "host_images" not in scanned(found)


@pytest.mark.parametrize("view", ["fleet_summary", "images"])
async def test_the_whole_fleet_is_counted_without_its_hosts_images(
    fleet_dsn: str, view: str
) -> None:
    """The summary of the fleet reads kept counts, and not all images of all hosts."""
    found = await plan(fleet_dsn, f"SELECT * FROM ops.{view}")
    assert "usage_totals" in found
    assert "host_images" not in found.replace("host_images_shared_idx on host_images", "")


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (f"SELECT * FROM ops.due WHERE {HOST}", "host_images_pkey"),
        (f"SELECT * FROM ops.excused WHERE {HOST}", "host_images_pkey"),
        (f"SELECT * FROM ops.due WHERE {REFERENCE} LIMIT 100", "host_images_comparison_idx"),
        ("SELECT * FROM ops.due ORDER BY available_since LIMIT 100", "comparisons_since_idx"),
        ("SELECT * FROM ops.due ORDER BY available_since LIMIT 100", "newer_since_idx"),
        ("SELECT * FROM ops.excused ORDER BY available_since LIMIT 100", "comparisons_since_idx"),
    ],
)
async def test_what_is_due_is_found_by_indexes(decided_dsn: str, sql: str, index: str) -> None:
    """Neither the fleet nor all decisions are read for one host, one image or the first hundred."""
    found = await plan(decided_dsn, sql)
    assert index in found
    assert "decisions_pattern_idx" in found
    whole = {"host_images", "hosts", "comparisons", "answers", "image_refs", "decisions"}
    assert not scanned(found) & whole, found


@pytest.mark.parametrize("view", ["due", "excused"])
async def test_a_place_of_few_hosts_is_found_by_its_hosts(decided_dsn: str, view: str) -> None:
    """The images of a place without hosts are not looked for among those of the whole fleet."""
    sql = f"SELECT * FROM ops.{view} WHERE {NOWHERE} ORDER BY available_since LIMIT 51"
    found = await plan(decided_dsn, sql)
    assert "hosts_place_idx" in found
    assert "comparisons_since_idx" not in found


async def test_whether_the_new_image_is_there_is_looked_up_for_each_row(fleet_dsn: str) -> None:
    """Whether a container is recreated only is known without all current images of the fleet."""
    found = await plan(fleet_dsn, "SELECT host, recreate_only FROM ops.outdated LIMIT 100")
    assert "on host_images other" in found
    assert "Seq Scan on host_images other" not in found


async def test_what_is_due_is_counted_without_hosts_where_no_decision_asks_for_them(
    decided_dsn: str,
) -> None:
    """Images are counted as often as hosts have them, and hosts are found by their images."""
    found = await plan(decided_dsn, load("fleet_counts")["count_due"])
    assert "usage_totals" in found
    assert "host_images" not in scanned(found), found


async def test_columns_that_are_not_asked_for_are_not_joined(fleet_dsn: str) -> None:
    """Columns that a query does not select cause no join."""
    sql = "SELECT reference, count(*) FROM ops.outdated GROUP BY reference"
    found = await plan(fleet_dsn, sql)
    assert " hosts " not in found
    assert " answers " not in found


async def test_the_planner_of_questions_never_reads_all_images(fleet_dsn: str) -> None:
    """The query of due questions never reads all images."""
    found = await plan(fleet_dsn, load("planner")["due"], now(), 1000, 1000, now(), 200)
    assert "host_images" not in scanned(found)


@pytest.mark.parametrize("before", [("read_by_index",), ()])
async def test_looking_for_what_no_host_has_reads_no_whole_table(
    dsn: str, before: tuple[str, ...]
) -> None:
    """A small table of images grows under a plan that reads it again for each reference."""
    statements = load("planner")
    connection = await asyncpg.connect(dsn)
    try:
        await seed(connection, InventedFleet(hosts=1000, images=5, references=5))
        await connection.execute("ANALYZE; SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE p AS {statements['unwanted']}")
        async with connection.transaction():
            for name in before:
                await connection.execute(statements[name])
            rows = await connection.fetch("EXPLAIN EXECUTE p (NULL, NULL, NULL)")
    finally:
        await connection.close()
    found = scanned("\n".join(row[0] for row in rows))
    assert bool(found & {"comparisons", "host_images"}) == (not before)


async def test_images_that_a_host_makes_up_are_counted_in_an_index_alone(dsn: str) -> None:
    """Which digests are to be described is known without the rows of thousands of images."""
    connection = await asyncpg.connect(dsn)
    try:
        await seed(connection, InventedFleet(hosts=1000, images=5, references=50))
        await connection.execute(MADE_UP)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE p AS {load('digest_questions')['undescribed']}")
        rows = await connection.fetch(
            "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF)"
            " EXECUTE p (now(), 1000, 32, now() - interval '301 s', 2000)"
        )
    finally:
        await connection.close()
    found = "\n".join(row[0] for row in rows)
    assert "Index Only Scan using comparisons_undescribed_idx" in found
    assert not scanned(found) & {"comparisons", "host_images"}, found
    assert "(never executed)" in found.partition("SubPlan")[2], found


@pytest.mark.parametrize("name", ["mark_unused", "drop_refs"])
async def test_maintenance_reads_of_a_large_table_a_portion_at_a_time(dsn: str, name: str) -> None:
    """A step of maintenance reads no large table whole for the few rows that it changes."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(LARGE)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE p AS {load('maintenance')[name]}")
        rows = await connection.fetch("EXPLAIN EXECUTE p (NULL, NULL, NULL, NULL)")
    finally:
        await connection.close()
    large = {"comparisons", "usage_totals", "image_refs", "answers"}
    assert not scanned("\n".join(row[0] for row in rows)) & large


LARGE = """
    INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
    SELECT 'r.example/app:' || n, 'r.example', 'app', n::text, 'ask'
    FROM generate_series(1, 20000) AS n;
    INSERT INTO fleet.answers (ref_id) SELECT ref_id FROM fleet.image_refs ON CONFLICT DO NOTHING;
    INSERT INTO fleet.comparisons (
      ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since
    )
    SELECT
      ref_id, 'sha256:' || lpad(ref_id::text, 64, '0'), '{}', 'linux/amd64', 'local',
      'no_repo_digest', now()
    FROM fleet.image_refs;
"""
"""Many references, each with an image."""

MADE_UP = """
    INSERT INTO fleet.comparisons (
      ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since
    )
    SELECT
      2 + n % 40, 'sha256:' || lpad(n::text, 64, '0'), ARRAY['sha256:' || lpad(n::text, 64, '1')],
      'made/up', 'outdated', 'digest_differs', now()
    FROM generate_series(1, 10000) AS n;
    INSERT INTO fleet.host_images (host_id, comparison_id, since, running)
    SELECT 1, comparison_id, now(), 1 FROM fleet.comparisons WHERE platform = 'made/up';
    INSERT INTO fleet.descriptions (digest, asked_at, next_ask_at, asked_ref_id)
    SELECT DISTINCT remote_digest, now(), now() + interval '1 h', ref_id
    FROM fleet.answers WHERE remote_digest IS NOT NULL;
"""
"""One host made up ten thousand images of tags of which the digests were asked about just now."""


@pytest.mark.parametrize(
    ("file", "name", "arguments"),
    [
        ("digest_questions", "undescribed", "now(), 1000, 32, now() - interval '301 s', 2000"),
        ("lists", "undescribed_candidates", "now(), 200, 32, now() - interval '301 s'"),
    ],
)
async def test_descriptions_of_long_ago_are_not_read(
    dsn: str, file: str, name: str, arguments: str
) -> None:
    """The digests that were asked about lately are found by an index."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(DESCRIBED)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE p AS {load(file)[name]}")
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE p ({arguments})")
    finally:
        await connection.close()
    found = "\n".join(row[0] for row in rows)
    assert "descriptions_asked_idx" in found, found
    assert "descriptions" not in scanned(found), found


DESCRIBED = """
    INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
    SELECT 'r.example/app:' || n, 'r.example', 'app', n::text, 'ask'
    FROM generate_series(1, 10000) AS n;
    INSERT INTO fleet.answers (ref_id, remote_digest, remote_since)
    SELECT ref_id, 'sha256:' || lpad(tag, 64, '0'), now() FROM fleet.image_refs;
    INSERT INTO fleet.descriptions (digest, asked_at, asked_ref_id)
    SELECT remote_digest, now() - interval '40 days' * random(), ref_id FROM fleet.answers;
"""
"""Tags whose digests were described in the last weeks."""


async def test_a_heartbeat_touches_no_index(fleet_dsn: str) -> None:
    """A heartbeat's update changes no index."""
    connection = await asyncpg.connect(fleet_dsn)
    try:
        hosts = [row[0] for row in await connection.fetch("SELECT host_id FROM fleet.hosts")]
        contents = [bytes(32)] * len(hosts)
        boots = ["start"] * len(hosts)
        await connection.execute(load("hosts")["alive"], hosts, contents, now(), 300, "", boots)
        await connection.execute("SELECT pg_stat_force_next_flush()")
        row = await connection.fetchrow(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'host_state'"
        )
        assert row is not None
        assert row["n_tup_upd"] == FLEET.hosts
        assert row["n_tup_hot_upd"] >= 0.95 * FLEET.hosts
    finally:
        await connection.close()


def _reads(line: str) -> bool:
    """Tell whether a line is a node that reads: others have the nodes that do below them."""
    passes_on = ("Memoize", "Nested Loop", "WindowAgg", "Sort")
    return line.strip().startswith("->") and not any(node in line for node in passes_on)


def inner_sides(text: str) -> list[str]:
    """Return the nodes that a nested loop reads for each row without an index."""
    lines = text.splitlines()
    found = []
    for place, line in enumerate(lines):
        if "Nested Loop" not in line:
            continue
        arrow = " " * (re.search(r"\S", line).start() + (6 if "->" in line else 2)) + "->"  # type: ignore[union-attr]
        children = [at for at, child in enumerate(lines) if at > place and child.startswith(arrow)]
        second = next(at for at in range(children[1], len(lines)) if _reads(lines[at]))
        found.append(lines[second].strip()[2:].strip())
    return [side for side in found if "Index" not in side and "Limit" not in side]


SHORT = (
    "Function Scan on w",  # changed images are paired with the hosts of the batch, to know when
    "Materialize",  # due references are paired with the registries, of which there are few
    "Aggregate",  # the hosts of one image are counted from an index
    "Seq Scan on descriptions d",  # empty in this database
    "Seq Scan on descriptions d_1",  # the same of base images
    "Seq Scan on descriptions d_2",
    "Seq Scan on descriptions t_1",
    "Seq Scan on descriptions t",
    "Seq Scan on descriptions o",
    'Values Scan on "*VALUES*"',  # both sides of a candidate
)
HOT = [
    (file, name)
    for file in (
        "hosts",
        "comparisons",
        "quotas",
        "answers",
        "descriptions",
        "planner",
        "digest_questions",
        "lists",
        "base_images",
        "outbox",
    )
    for name in load(file)
]


OF_THE_FLEET = {"count_lists", "uncompared", "rest_bases", "unread_bases", "undescribed"}
"""Statements that look at all references, or all images, in a turn, most every half minute."""


@pytest.mark.parametrize(("file", "name"), HOT)
async def test_a_batch_is_never_compared_row_by_row_with_itself(
    fleet_dsn: str, file: str, name: str
) -> None:
    """A prepared statement is planned for arrays of unknown length, which are taken for short.

    A nested loop without an index is then cheap on paper and costs seconds a batch.
    """
    sql = load(file)[name]
    count = max(map(int, re.findall(r"\$(\d+)", sql)), default=0)
    arguments = f"({', '.join(['NULL'] * count)})" if count else ""
    connection = await asyncpg.connect(fleet_dsn, server_settings={"random_page_cost": "1.1"})
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE p AS {sql}")
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE p {arguments}")
        found = "\n".join(row[0] for row in rows)
    finally:
        await connection.close()
    assert [side for side in inner_sides(found) if side not in SHORT] == [], found
    whole = {"host_images", "host_state"}
    if name not in OF_THE_FLEET and file != "planner":  # which looks at all references that are due
        whole |= {"answers", "comparisons"}
    assert not scanned(found) & whole, found

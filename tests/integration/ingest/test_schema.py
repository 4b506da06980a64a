"""The schema: made once however often asked, commented, guarded, and refused when it is another."""

import asyncio

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import migrations
from support.ingest import GOOD_ROWS, digest

CONTRACT = {
    "comparisons": "site host hostname labels reference registry repository tag platform image_id"
    " local_digests remote_digest verdict reason verdict_since checked_at next_check_at stale error"
    " running containers size created_at",
    "outdated": "site host hostname labels reference registry repository tag platform image_id"
    " local_digests remote_digest verdict reason verdict_since checked_at next_check_at stale error"
    " running containers size created_at outdated_for recreate_only",
    "fleet_summary": "hosts silent_hosts images current outdated pinned local missing unknown stale"
    " as_of",
    "images": "reference registry repository tag hosts running_hosts outdated_hosts variants"
    " remote_digest remote_since checked_at next_check_at error",
    "hosts": "site host hostname labels images outdated unknown last_seen_at silent_for silent",
    "registries": "registry credential rate_limit rate_remaining rate_window rate_reset_at"
    " blocked_until last_status last_error observed_at",
    "lookup_errors": "reference outcome error failures failing_since next_check_at hosts",
    "tag_history": "reference digest valid_from valid_to",
    "host_history": "site host reference old_digests new_digests occurred_at",
    "trend": "taken_at hosts silent_hosts images current outdated pinned local missing unknown"
    " stale",
    "versions": "reference version newest_patch newest_minor newest_major behind listed_at"
    " next_list_at truncated error hosts running_hosts",
    "dead_letters": "received_at subject reason error payload",
    "places": "place hosts outdated silent counted_at",
    "worst_hosts": "site host hostname labels place images outdated unknown outdated_running"
    " counted_at",
    "fleet_counts": "counted_at hosts silent_hosts degraded_hosts images current outdated pinned"
    " local missing unknown stale due overdue waiting excused due_versions",
    "troubled_hosts": "site host hostname labels place state last_seen_at silent_for degraded"
    " counted_at",
    "longest_outdated": "site host hostname labels place reference outdated_for running counted_at",
}

OWN = "UPDATE fleet.host_images SET own = jsonb_build_object('created_at',"
HOST_STATE = """INSERT INTO fleet.host_state
    (host_id, content, interval_s, images, silent_at, last_seen_at, changed_at)
    VALUES (1, sha256('x'), 300, 1, now(),"""

UNCOMMENTED = """
    SELECT n.nspname || '.' || c.relname || '.' || a.attname
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('fleet', 'ops') AND a.attnum > 0 AND NOT a.attisdropped
      AND c.relkind IN ('r', 'v', 'p') AND NOT c.relispartition
      AND col_description(c.oid, a.attnum) IS NULL
"""

BAD_ROWS = (
    "INSERT INTO fleet.hosts (site, host) VALUES ('fra1', 'Not A Host')",
    "INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)"
    " VALUES ('a/b:c', 'x', 'b', 'c', 'ask')",
    "INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)"
    " VALUES ('a/b:c', 'a', 'b', 'c', 'pinned')",
    "UPDATE fleet.answers SET remote_digest = 'latest', remote_since = now()",
    "UPDATE fleet.answers SET failure = 'unreachable'",
    "UPDATE fleet.comparisons SET verdict = 'current', reason = 'digest_differs'",
    "UPDATE fleet.comparisons SET repo_digests = ARRAY['sha256:short']",
    "UPDATE fleet.comparisons SET repo_digests = ARRAY[NULL]::text[]",
    f"UPDATE fleet.comparisons SET repo_digests = ARRAY['{digest(1).upper()}']",
    f"UPDATE fleet.comparisons SET repo_digests = ARRAY['{digest(1)}', '{digest(1)}0']",
    f"UPDATE fleet.comparisons SET repo_digests = ARRAY['{digest(1)}', NULL]",
    f"UPDATE fleet.comparisons SET image_id = '{digest(1)[:-1]}g'",
    f"UPDATE fleet.comparisons SET image_id = '{digest(1)}0'",
    f"UPDATE fleet.comparisons SET image_id = 'sha512{digest(1)[6:]}'",
    "INSERT INTO fleet.usage_totals (comparison_id) VALUES (99)",
    "UPDATE fleet.usage_totals SET running = 5",
    "INSERT INTO fleet.host_images (host_id, comparison_id, since) VALUES (1, 99, now())",
    "UPDATE fleet.host_images SET running = -1",
    "INSERT INTO fleet.host_changes (occurred_at, host_id, ref_id) VALUES (now(), 1, 1)",
    "UPDATE fleet.comparisons SET created_at = '-infinity'",
    "UPDATE fleet.answers SET next_check_at = 'infinity'",
    "UPDATE fleet.answers SET checked_at = '-infinity'",
    "INSERT INTO fleet.remote_history (ref_id, valid_from, digest)"
    f" VALUES (1, '-infinity', '{digest(1)}')",
    "INSERT INTO fleet.registry_states (registry, credential, observed_at, blocked_until)"
    " VALUES ('r.io', 'anonymous', now(), 'infinity')",
    "INSERT INTO fleet.host_state (host_id, last_seen_at, left_out) VALUES (1, now(), '[]')",
)


async def columns(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """The columns of every view of the contract."""
    rows = await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'ops'"
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], []).append(row["column_name"])
    return found


async def test_the_server_is_of_the_version_in_the_name_of_the_test(
    database_dsn: str, request: pytest.FixtureRequest
) -> None:
    """A test runs on the PostgreSQL version in its name."""
    connection = await asyncpg.connect(database_dsn)
    try:
        major = connection.get_server_version().major
    finally:
        await connection.close()
    assert request.node.name.endswith(f"[postgresql-{major}]")


def test_the_views_are_the_contracts_and_every_column_is_commented(database_dsn: str) -> None:
    """The views have the contract's columns, and every column a comment."""

    async def look() -> tuple[dict[str, list[str]], list[str]]:
        await migrations.migrate(database_dsn)
        connection = await asyncpg.connect(database_dsn)
        try:
            missing = [row[0] for row in await connection.fetch(UNCOMMENTED)]
            return await columns(connection), missing
        finally:
            await connection.close()

    found, uncommented = asyncio.run(look())
    for view, names in CONTRACT.items():
        assert set(names.split()) <= set(found[view]), view
    assert uncommented == []


async def test_bad_rows_cannot_be_stored(dsn: str) -> None:
    """The constraints refuse bad rows of any writer."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(GOOD_ROWS)
        for statement in BAD_ROWS:
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("constraint", "statement"),
    [
        ("host_state_moments", f"{HOST_STATE} 'infinity', now())"),
        ("host_state_moments", f"{HOST_STATE} now(), '-infinity')"),
        ("host_images_since", "UPDATE fleet.host_images SET since = '-infinity'"),
        ("host_images_own_date", f"{OWN} 'infinity')"),
        ("host_images_own_date", f"{OWN} '2026-13-01T00:00:00Z')"),
        ("host_images_own_date", f"{OWN} 17)"),
        (
            "outbox_changed_at",
            "INSERT INTO fleet.outbox (comparison_id, from_verdict, from_reason, to_verdict,"
            " to_reason, changed_at) VALUES (1, '', '', 'current', 'digest_match', 'infinity')",
        ),
        (
            "dead_letters_first",
            "INSERT INTO fleet.dead_letters (epoch, seq, received_at, subject, service, stream,"
            " stream_seq, reason, error, payload, first_received_at)"
            " VALUES (1, 1, now(), 's', 'ingest', 'S', 1, 'r', 'e', '', 'infinity')",
        ),
    ],
)
async def test_no_moment_is_infinite(dsn: str, constraint: str, statement: str) -> None:
    """A moment that many clients cannot read, as it is infinite, is refused by its constraint."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(GOOD_ROWS)
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await connection.execute(statement)
        assert refused.value.constraint_name == constraint
    finally:
        await connection.close()


async def test_keys_are_given_once_and_rise(dsn: str) -> None:
    """Keys are unique and rise, also within a millisecond."""
    connection = await asyncpg.connect(dsn)
    try:
        keys = "SELECT fleet.new_key() FROM generate_series(1, 20000)"
        first = {row[0] for row in await connection.fetch(keys)}
        second = {row[0] for row in await connection.fetch(keys)}
        assert len(first | second) == 40000
        assert max(first) < max(second)
    finally:
        await connection.close()

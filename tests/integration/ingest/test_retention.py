"""The retention of each table: every table has an end, which maintenance reaches."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection, maintenance
from imagedrift_ingest.core.retention import ROWS_AT_ONCE, Retention
from imagedrift_ingest.usecases.maintain import StepsFailed
from imagedrift_sandbox.nats import NatsServer
from support.ingest import NGINX, NOW, Fleet, Operator, answer, image, ingest
from support.polling import until
from support.storing import database_of, maintain_on

YEARS = timedelta(days=800)
BOUNDED = {
    "hosts": "hosts_dropped",
    "host_state": "goes with its host",
    "host_images": "goes when its host is retired or has it no more",
    "host_changes": "months_dropped",
    "image_refs": "references_dropped",
    "bases": "bases_dropped",
    "answers": "goes with its reference",
    "remote_history": "tags_dropped",
    "descriptions": "descriptions_dropped",
    "image_facts": "image_facts_dropped",
    "comparisons": "images_dropped",
    "tag_lists": "lists_dropped",
    "versions": "goes with its reference",
    "newer": "goes with its reference, three rows at most",
    "usage_totals": "goes with its image",
    "usage_changes": "emptied every 10 seconds",
    "registry_states": "registries_dropped",
    "dead_letters": "letters_dropped",
    "trend": "trend_dropped",
    "due_counts": "has one row at most",
    "counted": "has one row at most",
    "place_counts": "has one row for each place of a host",
    "worst_hosts": "has 100 rows at most",
    "longest_outdated": "has 100 rows at most",
    "troubled_hosts": "has 200 rows at most",
    "plans": "plans_dropped",
    "plan_targets": "goes with its plan",
    "plan_hosts": "plan_hosts_dropped",
    "outbox": "changes_dropped",
    "bookmarks": "old ones are dropped when ingest starts",
    "generation": "has one row",
    "turns": "has one row for each kind of work",
    "digest_locks": "has 256 rows at most",
    "host_quotas": "quotas_dropped",
    "role_names": "has one row at most",
    "decisions": "is the audit: what people decide, 10,000 in force at most",
}
"""Every table: the step of maintenance that bounds it, or why it is bounded without one."""
SOON = {"host_changes_default", "descriptions"}
"""Tables whose old rows are gone before the history's time."""
MOST_MOVES = 50_000
"""So many changes of tags that one host alone brought are kept."""
OLD_ROWS = {
    "trend": """INSERT INTO fleet.trend SELECT
        $1::timestamptz - make_interval(mins => n), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        FROM generate_series(1, $2) AS n""",
    "dead_letters": """INSERT INTO fleet.dead_letters SELECT
        1, n, $1, 'ingest', 's' || n, 'S', n, 'r', 'e', '' FROM generate_series(1, $2) AS n""",
    "registry_states": """INSERT INTO fleet.registry_states (registry, credential, observed_at)
        SELECT 'r' || n, 'anonymous', $1 FROM generate_series(1, $2) AS n""",
    "descriptions": """INSERT INTO fleet.descriptions (digest, asked_at)
        SELECT 'sha256:' || encode(sha256(n::text::bytea), 'hex'), $1
        FROM generate_series(1, $2) AS n""",
    "image_facts": """INSERT INTO fleet.image_facts (digest, platform, read_at)
        SELECT 'sha256:' || encode(sha256(n::text::bytea), 'hex'), 'linux/amd64', $1
        FROM generate_series(1, $2) AS n""",
    "image_refs": """INSERT INTO fleet.image_refs
        (reference, registry, repository, tag, policy, first_seen_at)
        SELECT 'r.example/app:' || n, 'r.example', 'app', n::text, 'ask', $1
        FROM generate_series(1, $2) AS n""",
    "bases": """INSERT INTO fleet.bases (name, digest, platform, not_asked, unused_since)
        SELECT 'b' || n, 'sha256:' || encode(sha256(n::text::bytea), 'hex'), 'linux/amd64',
          'short_name', $1
        FROM generate_series(1, $2) AS n""",
    "plans": """INSERT INTO fleet.plans (made_at, what, selector, rings, note)
        SELECT $1, 'due', '{}', '{1}', '' FROM generate_series(1, $2)""",
    "plan_hosts": """WITH p AS (
          INSERT INTO fleet.plans (made_at, what, selector, rings, note)
          VALUES ($1, 'due', '{}', '{1}', '') RETURNING plan_id)
        INSERT INTO fleet.plan_hosts
        SELECT plan_id, n, 1, 1, 0 FROM p, generate_series(1, $2) AS n""",
    "tag_lists": """INSERT INTO fleet.tag_lists (registry, repository, attempted_at)
        SELECT 'r.example', 'app' || n, $1 FROM generate_series(1, $2) AS n""",
    "host_changes_default": """INSERT INTO fleet.host_changes
        (occurred_at, host_id, ref_id, new_comparison_id)
        SELECT $1::timestamptz - interval '10 years', 1, 1, n FROM generate_series(1, $2) AS n""",
}
"""Rows that nobody has any use for at that moment, so many of them."""


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """The database as its owner sees it."""
    async with connection.pool(dsn, connections=2) as made:
        yield made


async def tables(pool: "asyncpg.Pool[asyncpg.Record]") -> set[str]:
    """Every table of ours; a partition counts as its whole."""
    rows = await pool.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'fleet'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    return {row["relname"] for row in rows}


async def test_every_table_has_a_retention(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Every table has a step of maintenance that bounds it, or another reason."""
    assert await tables(pool) == BOUNDED.keys()
    steps = await maintain_on(database_of(pool)).tidy()
    assert {reason for reason in BOUNDED.values() if " " not in reason} <= steps.keys()


@pytest.mark.parametrize("table", OLD_ROWS)
async def test_maintenance_goes_on_until_nothing_is_left(
    pool: "asyncpg.Pool[asyncpg.Record]", table: str
) -> None:
    """One run of maintenance removes all rows past their retention."""
    many = 2 * ROWS_AT_ONCE + 7
    await pool.execute(OLD_ROWS[table], NOW, many)
    work = maintain_on(database_of(pool))
    await work.tidy(NOW + timedelta(days=20))
    most = f"SELECT count(*) FROM fleet.{table}"
    assert await pool.fetchval(most) == (0 if table in SOON else many)
    await work.tidy(NOW + YEARS)
    assert await pool.fetchval(most) == 0


@pytest.mark.parametrize(("portion", "written"), [(1, 2000), (3, 2), (7, 2000), (100, 4)])
async def test_a_table_that_is_read_in_portions_is_read_to_its_end(
    pool: "asyncpg.Pool[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
    portion: int,
    written: int,
) -> None:
    """Unused images, references and lists are found wherever they are, in every run."""
    monkeypatch.setattr(maintenance, "LOOKED_AT_AT_ONCE", portion)
    monkeypatch.setattr(maintenance, "ROWS_AT_ONCE", written)
    await pool.execute(OLD_ROWS["image_refs"], NOW, 23)
    await pool.execute(OLD_ROWS["tag_lists"], NOW, 23)
    inserted = await pool.execute(IMAGES_OF_SOME)
    images = int(inserted.split()[-1])
    work = maintain_on(database_of(pool))

    first, then = await work.tidy(NOW), await work.tidy(NOW + YEARS)

    assert (first["images_marked"], first["references_dropped"]) == (images, 0)
    assert (first["lists_dropped"], then["lists_dropped"]) == (0, 23)
    assert (then["images_dropped"], then["references_dropped"]) == (images, 23)


IMAGES_OF_SOME = """
    INSERT INTO fleet.comparisons (
      ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since
    )
    SELECT
      ref_id, 'sha256:' || lpad(ref_id::text, 64, '0'), '{}', 'linux/amd64', 'local',
      'no_repo_digest', now()
    FROM fleet.image_refs
    WHERE ref_id % 2 = 0
"""
"""An image of every second reference, which no host has."""


async def test_a_step_that_fails_stops_no_other(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """A failing step is reported, and the other steps are done."""
    await pool.execute(OLD_ROWS["image_refs"], NOW, 3)
    await pool.execute(OLD_ROWS["dead_letters"], NOW, 3)
    await pool.execute(
        """CREATE FUNCTION fleet.fail() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN RAISE 'no space for this'; END $$;
           CREATE TRIGGER fail BEFORE DELETE ON fleet.image_refs
             FOR EACH ROW EXECUTE FUNCTION fleet.fail()"""
    )
    with pytest.raises(StepsFailed, match=r"references_dropped \(RaiseError\)$"):
        await maintain_on(database_of(pool)).tidy(NOW + YEARS)
    assert await pool.fetchval("SELECT count(*) FROM fleet.dead_letters") == 0
    assert await pool.fetchval("SELECT count(*) FROM fleet.image_refs") == 3


async def test_what_a_tag_points_to_now_is_kept_however_old_it_is(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    """The present digest of a tag is kept, however old it is."""
    await pool.execute(OLD_ROWS["image_refs"], NOW + YEARS, 1)
    await pool.execute(
        """INSERT INTO fleet.remote_history (ref_id, valid_from, valid_to, digest)
             SELECT ref_id, $1::timestamptz + make_interval(days => n),
               CASE WHEN n < 3 THEN $1 + make_interval(days => n + 1) END,
               'sha256:' || encode(sha256(n::text::bytea), 'hex')
             FROM fleet.image_refs, generate_series(1, 3) AS n""",
        NOW,
    )
    await maintain_on(database_of(pool)).tidy(NOW + YEARS)
    [left] = await pool.fetch("SELECT valid_to FROM fleet.remote_history")
    assert left["valid_to"] is None


async def test_a_description_that_nothing_needs_is_not_kept_for_the_history(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    """Digests that a tag had, and has no more, lose their description after a day."""
    await pool.execute(OLD_ROWS["image_refs"], NOW, 1)
    await pool.execute(OLD_ROWS["descriptions"], NOW, 3)
    await pool.execute(
        """INSERT INTO fleet.remote_history (ref_id, valid_from, valid_to, digest)
             SELECT r.ref_id, $1, $1, d.digest FROM fleet.image_refs AS r, fleet.descriptions AS d
             ORDER BY d.digest LIMIT 1""",
        NOW,
    )
    [_, needed, base] = await pool.fetch("SELECT digest FROM fleet.descriptions ORDER BY digest")
    await pool.execute(
        """INSERT INTO fleet.answers (ref_id, remote_digest, remote_since)
             SELECT ref_id, $1, now() FROM fleet.image_refs""",
        needed["digest"],
    )
    await pool.execute(
        """INSERT INTO fleet.bases (name, digest, platform, not_asked)
             VALUES ('x', $1, 'linux/amd64', 'short_name')""",
        base["digest"],
    )
    await maintain_on(database_of(pool)).tidy(NOW + timedelta(hours=2))
    assert await pool.fetchval("SELECT count(*) FROM fleet.descriptions") == 3

    await maintain_on(database_of(pool)).tidy(NOW + timedelta(days=2))

    left = await pool.fetch("SELECT digest FROM fleet.descriptions ORDER BY digest")
    assert left == [needed, base]


@pytest.mark.parametrize(("hosts", "left"), [(1, MOST_MOVES), (2, MOST_MOVES + 10)])
async def test_of_tags_that_one_host_brought_a_bounded_number_of_changes_is_kept(
    pool: "asyncpg.Pool[asyncpg.Record]", hosts: int, left: int
) -> None:
    """The newest changes of what one host alone runs are kept, and all of what several run."""
    await pool.execute(OLD_ROWS["image_refs"], NOW, 1)
    await pool.execute(
        """INSERT INTO fleet.answers (ref_id, brought_by, weight)
             SELECT ref_id, 1, $1 FROM fleet.image_refs""",
        hosts,
    )
    await pool.execute(
        """INSERT INTO fleet.remote_history (ref_id, valid_from, valid_to, digest)
             SELECT ref_id, $1::timestamptz + make_interval(secs => n),
               $1::timestamptz + make_interval(secs => n + 1),
               'sha256:' || encode(sha256(n::text::bytea), 'hex')
             FROM fleet.image_refs, generate_series(1, $2) AS n""",
        NOW,
        MOST_MOVES + 10,
    )
    await maintain_on(database_of(pool)).tidy(NOW + timedelta(days=2))
    found = await pool.fetchrow(
        "SELECT count(*) AS n, min(valid_from) AS f FROM fleet.remote_history"
    )
    assert found is not None
    assert found["n"] == left
    assert found["f"] == NOW + timedelta(seconds=1 + MOST_MOVES + 10 - left)


async def test_of_images_of_a_tag_that_no_host_has_any_more_a_bounded_number_is_kept(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    """The images that were last on a host are kept, and all that a host has."""
    await pool.execute(OLD_ROWS["image_refs"], NOW, 1)
    await pool.execute("INSERT INTO fleet.hosts (site, host) VALUES ('fra1', 'web-1')")
    await pool.execute(
        """INSERT INTO fleet.comparisons (
             ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since, unused_since)
           SELECT ref_id, 'sha256:' || encode(sha256(n::text::bytea), 'hex'), '{}', 'linux/amd64',
             'local', 'no_repo_digest', $1, $1::timestamptz - make_interval(secs => n)
           FROM fleet.image_refs, generate_series(1, 1100) AS n""",
        NOW,
    )
    await pool.execute(
        """INSERT INTO fleet.host_images (host_id, comparison_id, since)
           SELECT h.host_id, c.comparison_id, $1
           FROM fleet.hosts AS h, fleet.comparisons AS c
           WHERE c.unused_since < $1::timestamptz - interval '1099 seconds'""",
        NOW,
    )
    await maintain_on(database_of(pool)).tidy(NOW + timedelta(days=2))
    found = await pool.fetchrow(
        """SELECT count(*) AS n, count(*) FILTER (WHERE unused_since IS NULL) AS used,
             min(unused_since) AS oldest FROM fleet.comparisons"""
    )
    assert found is not None
    assert (found["n"], found["used"]) == (1001, 1)
    assert found["oldest"] == NOW - timedelta(seconds=1000)


async def test_a_host_that_is_gone_for_long_is_deleted_and_comes_back_when_it_speaks(
    dsn: str,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    """A host that is deleted is stored anew with its next inventory."""
    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-1", image(running=1))
        await agents.has("web-2", image(running=1))
        await agents.answers(answer(version=1))
        await operator.sees(NGINX, host="web-1", verdict="current")
        await operator.sees(NGINX, host="web-2", verdict="current")

        maintenance = maintain_on(database_of(pool), Retention(retire_after=30, history=90))
        now = await pool.fetchval("SELECT now()")
        await pool.execute(
            "UPDATE fleet.host_state SET last_seen_at = now() - '200 days'::interval"
            " WHERE host_id = (SELECT host_id FROM fleet.hosts WHERE host = 'web-1')"
        )
        done = await maintenance.tidy(now - timedelta(days=100))
        assert (done["hosts_retired"], done["hosts_dropped"]) == (1, 0)
        assert (await maintenance.tidy(now))["hosts_dropped"] == 1
        assert await pool.fetchval("SELECT count(*) FROM fleet.hosts WHERE host = 'web-1'") == 0

        await agents.has("web-1", image(version=2, running=1))

        async def back() -> bool:
            return bool(await operator.ask("SELECT FROM ops.comparisons WHERE host = 'web-1'"))

        await until(back, what="the host is back")
    assert len(await operator.ask("SELECT * FROM ops.hosts")) == 2

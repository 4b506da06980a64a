"""A database that is published (logical replication, a switch to a new server) works on."""

from datetime import timedelta

import asyncpg

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_sandbox.nats import NatsServer
from support.ingest import NGINX, Fleet, Operator, answer, image, ingest
from support.storing import database_of, maintain_on

WITHOUT_IDENTITY = """
    SELECT c.oid::regclass::text AS name FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname !~ '^pg_toast' AND c.relname !~ '^host_changes_[0-9]{6}$'
      AND NOT (c.relreplident = 'f' OR c.relreplident = 'd' AND EXISTS (
        SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary))
"""


async def test_every_table_tells_its_rows_apart_for_a_publication(dsn: str) -> None:
    """Every table has a primary key or REPLICA IDENTITY FULL."""
    async with connection.pool(dsn, connections=1) as pool:
        assert [row["name"] for row in await pool.fetch(WITHOUT_IDENTITY)] == []
        await pool.execute("CREATE TABLE fleet.another (n integer)")
        assert [row["name"] for row in await pool.fetch(WITHOUT_IDENTITY)] == ["fleet.another"]


async def test_a_publication_of_all_tables_stops_no_work(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """A publication of all tables stops neither storing nor maintenance."""
    owner = await asyncpg.connect(dsn)
    await owner.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-1", image(running=1))
        await agents.answers(answer(version=1))
        await operator.sees(NGINX, host="web-1", verdict="current")
        await agents.has("web-1", image(version=2, running=1))
        await operator.sees(NGINX, host="web-1", image_id=image(version=2).image_id)
    far = await owner.fetchval("SELECT now() + '3 months'::interval")
    await owner.execute(
        "INSERT INTO fleet.host_changes (occurred_at, host_id, ref_id, new_comparison_id)"
        " VALUES ($1, 1, 1, 1)",
        far,
    )
    async with connection.pool(dsn, connections=1) as pool:
        maintenance = maintain_on(database_of(pool))
        await maintenance.add_up_usage()
        await maintenance.count_hosts()
        await maintenance.take_trend()
        assert await owner.fetchval("SELECT fleet.make_months(4)") > 0
        await maintenance.tidy(far + timedelta(days=800))
        await maintenance.add_up_usage()
        await maintenance.tidy(far + timedelta(days=1600))
        await maintenance.tidy(far + timedelta(days=2400))
        await MaintainedTables(database_of(pool)).empty()
    left = "SELECT count(*) FROM fleet.image_refs"
    assert await owner.fetchval(left) == 0
    await owner.close()

"""Some weeks of a fleet that builds and throws away: the tables settle, with maintenance alone."""

import asyncpg
from click.testing import CliRunner

from imagedrift_bench.year import MONTH, Churn, command, live, settled_after
from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_ingest.core.retention import Retention

KEEP = Retention(retire_after=2, history=3, dead_letters=4)
DAYS = MONTH + 14
CHURN = Churn(standing=10, tags=20, hosts=10)


async def test_tables_settle_and_keep_what_is_in_use(database_dsn: str) -> None:
    """The tables keep as many rows as the retention allows, and those in use."""
    await migrate(database_dsn)
    lived = await live(database_dsn, CHURN, KEEP, DAYS)
    assert lived.grown() == []
    days = KEEP.retire_after + KEEP.history + 3
    assert lived.after["hosts"] <= CHURN.standing + CHURN.hosts * days
    assert lived.after["hosts"] >= CHURN.standing + CHURN.hosts
    assert lived.after["image_refs"] <= CHURN.tags * days
    moved = CHURN.standing * (KEEP.history + 3)  # one tag of each standing host, every day
    assert moved / 2 < lived.after["remote_history"] - lived.after["image_refs"] <= moved
    assert 0 < lived.after["descriptions"] <= CHURN.tags * (days + 3)
    assert 0 < lived.after["outbox"] <= CHURN.tags * (KEEP.dead_letters + 2)
    assert 0 < lived.after["trend"] <= 288 * (KEEP.history + 2)
    assert lived.after["registry_states"] <= 10 * (KEEP.retire_after + 2)
    assert lived.after["dead_letters"] <= 100 * (KEEP.dead_letters + 2)
    assert lived.after["usage_changes"] <= CHURN.tags
    assert 0 < lived.after["host_changes"] < CHURN.standing * DAYS


async def test_a_step_that_fails_is_told_and_the_year_goes_on(database_dsn: str) -> None:
    """A failed step of maintenance is named with its day, and the next days are lived."""
    await migrate(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    await connection.execute(
        """CREATE FUNCTION fleet.fail() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN RAISE 'no space for this'; END $$;
           CREATE TRIGGER fail BEFORE DELETE ON fleet.dead_letters
             FOR EACH ROW EXECUTE FUNCTION fleet.fail()"""
    )
    await connection.close()
    lived = await live(database_dsn, CHURN, KEEP, KEEP.dead_letters + 3)
    assert lived.failures == [
        f"day {day}: not done: letters_dropped (RaiseError)"
        for day in range(KEEP.dead_letters + 1, KEEP.dead_letters + 3)
    ]
    assert lived.after["hosts"] > 0


def test_a_year_that_ends_before_the_tables_settle_is_refused() -> None:
    """Days in which no table can have grown prove nothing: the options and the fix are named."""
    settled = settled_after(Retention(history=90))
    result = CliRunner().invoke(command, ["--days", str(settled + 1), "--history", "90"])
    assert result.exit_code == 2
    assert f"tables settle after {settled} days only" in result.output

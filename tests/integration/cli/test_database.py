"""Reading the database: in portions, in one moment, and with refusals in a line."""

import pytest

from imagedrift_cli.database import Reader, rows
from imagedrift_cli.failures import BadUsage, Unusable

NUMBERS = "SELECT n FROM generate_series(1, $1::int) AS n"


@pytest.mark.parametrize(("size", "portions"), [(2, [2, 2, 1]), (5, [5]), (None, [5])])
async def test_rows_come_in_portions(fleet_dsn: str, size: int | None, portions: list[int]) -> None:
    """None is lost, and none comes twice; without a size all are one portion."""
    async with Reader.connected(fleet_dsn) as reader, reader.snapshot():
        found = [portion async for portion in reader.portions(NUMBERS, 5, size=size)]

    assert [len(portion.rows) for portion in found if portion.rows] == portions
    assert [row["n"] for portion in found for row in portion.rows] == [1, 2, 3, 4, 5]


async def test_columns_are_told_without_a_row(fleet_dsn: str) -> None:
    """A header needs them."""
    async with Reader.connected(fleet_dsn) as reader, reader.snapshot():
        [portion] = [each async for each in reader.portions(NUMBERS, 0)]

    assert (portion.columns, portion.rows) == (["n"], [])


@pytest.mark.parametrize(
    ("sql", "kind", "told"),
    [
        ("SELECT 'never'::timestamptz", BadUsage, "never"),
        ("SELECT * FROM ops.nothing", Unusable, "run `imagedrift migrate`"),
        ("SELECT 1/0", Unusable, "the database failed: division by zero"),
    ],
)
async def test_what_the_database_refuses_is_told(
    fleet_dsn: str, sql: str, kind: type[Exception], told: str
) -> None:
    """A value that somebody wrote is a usage; anything else is the database's."""
    async with Reader.connected(fleet_dsn) as reader:
        with pytest.raises(kind, match=told):
            await reader.ask(sql)


async def test_a_named_statement_is_run_once(fleet_dsn: str) -> None:
    """Rows are dictionaries in the columns' order."""
    assert all(isinstance(row["name"], str) for row in await rows(fleet_dsn, "sites", {}))


async def test_a_database_that_is_not_there_is_told_with_its_remedy(fleet_dsn: str) -> None:
    """By the name that was asked for."""
    other = fleet_dsn.rpartition("/")[0] + "/no_such_database"

    with pytest.raises(Unusable, match="create it, then run `imagedrift migrate`"):
        await rows(other, "sites", {})

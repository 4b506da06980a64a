"""The operator's view of the database."""

import json
from typing import Any

import asyncpg

from support.polling import until


class Operator:
    """Somebody who asks `ops.*` by SQL."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def ask(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        """Run a query: one dictionary per row."""
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.set_type_codec(
                "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
            )
            return [dict(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    async def comparisons(self, reference: str) -> list[dict[str, Any]]:
        """Everything that `ops.comparisons` says of a reference."""
        return await self.ask("SELECT * FROM ops.comparisons WHERE reference = $1", reference)

    async def sees(self, reference: str, **expected: object) -> dict[str, Any]:
        """Wait until one row of the reference has these values, and return it."""
        rows: list[dict[str, Any]] = []

        async def matching() -> dict[str, Any] | None:
            nonlocal rows
            rows = await self.comparisons(reference)
            return next((row for row in rows if expected.items() <= row.items()), None)

        try:
            found: dict[str, Any] = await until(matching, what=f"{reference} {expected}")
        except AssertionError as error:
            raise AssertionError(f"{error}; the rows are {rows}") from None
        return found

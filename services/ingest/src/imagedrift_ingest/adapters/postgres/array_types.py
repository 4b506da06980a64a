"""The types of the arrays that statements take, looked up once for a connection.

The driver asks the catalog, for some ten milliseconds, at the first statement of each connection
that takes a type which it does not know yet: so a connection would ask three or four times.
"""

from typing import Final

import asyncpg

TYPES: Final = """
    SELECT $1::bigint[], $2::bytea[], $3::integer[], $4::boolean[], $5::timestamptz[], $6::jsonb[]
"""


async def look_up(connection: asyncpg.Connection) -> None:
    """Let the driver look up all array types in one query."""
    await connection.execute(TYPES, *[[]] * TYPES.count("$"))

"""The references that are candidates for newer versions in PostgreSQL: made where they are new.

Rules:
- A candidate is a reference like all others, due at once. It is asked in the turns of the host that
  brought the reference which it may be newer than.
- A new one counts for that host, in the database: no host has more made in a day than its quota.
"""

from collections import Counter
from collections.abc import Callable, Mapping

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connection import arguments
from imagedrift_ingest.adapters.postgres.references import add_references
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import quota

SQL = load("lists")
QUOTAS = load("quotas")


class CandidateRules(Struct, frozen=True):
    """How candidates are made."""

    is_named: Callable[[str], bool]
    """Whether a registry is named in the operator's file."""
    most_of_host: int = quota.MOST_CANDIDATES
    """So many are made in a day for the references that one host brought."""


async def candidate_keys(
    connection: asyncpg.Connection, wanted: Mapping[str, int], rules: CandidateRules
) -> dict[str, int]:
    """Return the keys of candidates, making rows for new ones, but for those over a quota.

    `wanted` has the host for which each is asked.
    """
    names = sorted(wanted)
    known = await _keys_of(connection, names)
    new = {name: wanted[name] for name in names if name not in known}
    if not new:
        return known
    made = sorted(await _within_quota(connection, new, rules.most_of_host))
    await add_references(connection, made, rules.is_named)
    return known | await _keys_of(connection, made)


async def _keys_of(connection: asyncpg.Connection, names: list[str]) -> dict[str, int]:
    rows = await connection.fetch(SQL["keys_of"], names)
    return {row["reference"]: row["ref_id"] for row in rows}


async def _within_quota(
    connection: asyncpg.Connection, new: Mapping[str, int], most: int
) -> set[str]:
    """Count new candidates for hosts; those that may be made."""
    rows = await connection.fetch(QUOTAS["open_quotas"], sorted(set(new.values())))
    made = {row["host_id"]: row["candidates"] for row in rows}
    given = quota.granted_candidates(new, made, most)
    spent = sorted(Counter(new[name] for name in given).items())
    await connection.execute(QUOTAS["spend_candidates"], *arguments([*spent], 2))
    return given

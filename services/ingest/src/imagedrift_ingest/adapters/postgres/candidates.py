"""The references that are candidates for newer versions in PostgreSQL: made where they are new.

Rules:
- A candidate is a reference like all others, due at once. It is asked in the turns of a host that
  brought a reference which it may be newer than.
- A new one counts for one of these hosts that has room, in the database: no host has more made in a
  day than its quota.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connection import arguments
from imagedrift_ingest.adapters.postgres.references import add_references
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import quota

SQL = load("lists")
QUOTAS = load("quotas")


WantedBy: TypeAlias = Mapping[str, Sequence[int]]
"""Candidates by their full names, with the hosts that want each."""


class MadeCandidate(NamedTuple):
    """A reference that is asked for what others may be replaced by."""

    ref_id: int
    brought_by: int
    """The host in whose turns it is asked."""


class CandidateRules(Struct, frozen=True):
    """How candidates are made."""

    is_named: Callable[[str], bool]
    """Whether a registry is named in the operator's file."""
    most_of_host: int = quota.MOST_CANDIDATES
    """So many are made in a day for the references that one host brought."""


async def made_candidates(
    connection: asyncpg.Connection, wanted: WantedBy, rules: CandidateRules
) -> dict[str, MadeCandidate]:
    """Return candidates, making rows for new ones, but for those over a quota."""
    names = sorted(wanted)
    known = await _keys_of(connection, names)
    new = {name: wanted[name] for name in names if name not in known}
    found = {name: MadeCandidate(key, wanted[name][0]) for name, key in known.items()}
    if not new:
        return found
    given = await _within_quota(connection, new, rules.most_of_host)
    await add_references(connection, sorted(given), rules.is_named)
    made = await _keys_of(connection, sorted(given))
    return found | {name: MadeCandidate(key, given[name]) for name, key in made.items()}


async def _keys_of(connection: asyncpg.Connection, names: list[str]) -> dict[str, int]:
    rows = await connection.fetch(SQL["keys_of"], names)
    return {row["reference"]: row["ref_id"] for row in rows}


async def _within_quota(connection: asyncpg.Connection, new: WantedBy, most: int) -> dict[str, int]:
    """Count new candidates for hosts; those that may be made, each with its host."""
    hosts = sorted({host_id for hosts in new.values() for host_id in hosts})
    rows = await connection.fetch(QUOTAS["open_quotas"], hosts)
    made = {row["host_id"]: row["candidates"] for row in rows}
    given = quota.granted_candidates(new, made, most)
    spent = sorted(Counter(given.values()).items())
    await connection.execute(QUOTAS["spend_candidates"], *arguments([*spent], 2))
    return given

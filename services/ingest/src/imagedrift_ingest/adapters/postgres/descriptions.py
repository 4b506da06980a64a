"""Descriptions of digests in PostgreSQL, and the verdicts by them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres.connection import arguments
from imagedrift_ingest.adapters.postgres.references import LockedReference
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import freshness, versions
from imagedrift_ingest.core.answers import AnswerState
from imagedrift_ingest.core.described_content import DescribedContent
from imagedrift_ingest.core.descriptions import merged
from imagedrift_ingest.core.policy import Policy
from imagedrift_ingest.core.verdict import LocalSide, Verdict, judge
from imagedrift_schemas.v1 import Child, Described, Limited

SQL = load("descriptions")
_children = msgspec.json.Decoder(tuple[Child, ...])


async def read_inside(
    connection: asyncpg.Connection, states: Iterable[AnswerState]
) -> dict[str, DescribedContent]:
    """Read the descriptions of the digests that references point to, to be compared with images."""
    digests = {state.remote_digest for state in states if state.remote_digest}
    found = await read_descriptions(connection, digests)
    return {digest: DescribedContent(children) for digest, children in found.items()}


async def read_descriptions(
    connection: asyncpg.Connection, digests: Iterable[str]
) -> dict[str, tuple[Child, ...]]:
    """Read the descriptions of digests, where there are any."""
    rows = await connection.fetch(SQL["inside"], sorted(digests))
    return {row["digest"]: _children.decode(row["children"]) for row in rows}


async def store(
    connection: asyncpg.Connection,
    described: Sequence[Described],
    rules: freshness.FreshnessRules,
) -> None:
    """Store descriptions, each with the children that were described before."""
    inside = await read_descriptions(connection, {one.digest for one in described})
    rows: dict[str, tuple[Any, ...]] = {}
    for one in described:
        children = merged(inside.get(one.digest, ()), one.children)
        inside[one.digest] = children
        rows[one.digest] = _row(one, children, rules)
    columns = arguments([rows[digest] for digest in sorted(rows)], 6)
    await connection.execute(SQL["describe"], *columns)
    facts = [
        row
        for one in sorted(described, key=lambda each: each.digest)
        for row in versions.by_platform(one.digest, one.children, one.checked_at)
    ]
    if facts:
        await connection.execute(SQL["keep_facts"], *arguments(facts, 9))


def judge_locked(
    local: LocalSide, ref: LockedReference, inside: Mapping[str, DescribedContent]
) -> Verdict:
    """Judge a local image by the stored facts of its locked reference."""
    remote = ref.state.remote
    return judge(local, remote, inside.get(remote.digest))


def local_side_by_policy(policy: Policy, **facts: Any) -> LocalSide:
    """Make the local side of a comparison, its reference's policy included."""
    return LocalSide(pinned=policy == "pinned", machine_bound=policy == "machine_bound", **facts)


def _row(
    one: Described, children: Sequence[Child], rules: freshness.FreshnessRules
) -> tuple[Any, ...]:
    """Lay out a description, with all known children, as its row."""
    failure = one.failure
    kind = None if failure is None else str(failure.__struct_config__.tag)
    known = msgspec.json.encode(children).decode() if children or not failure else None
    why = None if failure is None else failure.reason or kind
    until = failure.until if isinstance(failure, Limited) else None
    again_at = freshness.describe_again_at(rules, one.checked_at, until)
    return one.digest, one.checked_at, known, kind, why, again_at

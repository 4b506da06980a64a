"""Descriptions of digests in PostgreSQL, and the verdicts by them."""

from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres.references import LockedReference
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.answers import AnswerState
from imagedrift_ingest.core.described_content import DescribedContent
from imagedrift_ingest.core.policy import Policy
from imagedrift_ingest.core.verdict import LocalSide, Verdict, judge
from imagedrift_schemas.v1 import Child

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


def judge_locked(
    local: LocalSide, ref: LockedReference, inside: Mapping[str, DescribedContent]
) -> Verdict:
    """Judge a local image by the stored facts of its locked reference."""
    remote = ref.state.remote
    return judge(local, remote, inside.get(remote.digest))


def local_side_by_policy(policy: Policy, **facts: Any) -> LocalSide:
    """Make the local side of a comparison, its reference's policy included."""
    return LocalSide(pinned=policy == "pinned", machine_bound=policy == "machine_bound", **facts)

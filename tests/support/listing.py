"""Tag lists to feed ingest with, and the answers that turn a name in them into a newer version."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Child, Described, Failure, Listed, TagTrack, Truncated
from support.ingest import digest
from support.planning import Planned

REPOSITORY = "docker.io/library/nginx"
NAMES = ("2.0.0", "1.28.1", "1.27.5", "1.27.4", "1.27.3", "1.26.0")
RUN = f"{REPOSITORY}:1.27.3"
NEWEST = f"{REPOSITORY}:2.0.0"
STEPS = ("patch", "minor", "major")
CANDIDATES = [f"{REPOSITORY}:{tag}" for tag in ("1.27.5", "1.28.1", "2.0.0")]


def tags_listed(
    names: Sequence[str] = NAMES,
    *,
    repository: str = REPOSITORY,
    whole: bool = True,
    truncated: Truncated = "",
    failure: Failure | None = None,
    checked_at: datetime | None = None,
    **facts: Any,
) -> Listed:
    """The list of a repository whose names are of one track."""
    registry, _, path = repository.partition("/")
    at = checked_at or now()
    given: dict[str, Any] = {
        "registry": registry,
        "repository": path,
        "checked_at": at,
        "tracks": (TagTrack(names=tuple(names), whole=whole),) if names else (),
        "count": len(names),
        "truncated": truncated,
        "failure": failure,
        "listed_at": at,
    }
    return Listed(**(given | facts))


def described(reference: str, version: object = 1, *, child: object = None) -> Described:
    """The content of the digest that a reference points to: one image, its own unless given."""
    registry, _, rest = reference.partition("/")
    inner = digest(("amd64", reference, version) if child is None else child)
    return Described(
        registry=registry,
        repository=rest.partition(":")[0],
        digest=digest((reference, version)),
        checked_at=now(),
        children=(Child(platform="linux/amd64", digest=inner),),
    )


async def resolve_all(planned: Planned, *references: str) -> None:
    """The registry says of each reference what it points to, and what is inside."""
    for reference in references:
        await planned.answered(reference)
        await planned.described(described(reference))


async def versions(planned: Planned) -> list[asyncpg.Record]:
    """The rows of ops.versions."""
    return await planned.database.fetch("SELECT * FROM ops.versions ORDER BY reference")


async def shown(planned: Planned) -> dict[str, object]:
    """The single row of ops.versions, by the parts that tell versions."""
    [row] = await versions(planned)
    names = [f"newest_{step}" for step in STEPS] + [f"{step}_state" for step in STEPS]
    return {name: row[name] for name in [*names, "behind"] if row[name] not in (None, "unknown")}

"""Descriptions of digests, as a registry gives them."""

from typing import Any

import asyncpg

from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Child, Describe, Described, Failure
from support.ingest import NGINX, digest
from support.planning import Planned


async def told(planned: Planned, view: str = "comparisons") -> list[asyncpg.Record]:
    """Every row of a view, by host and image id."""
    found: list[asyncpg.Record] = await planned.database.pool.fetch(
        f"SELECT * FROM ops.{view} ORDER BY host, image_id, platform"
    )
    return found


async def describe(
    planned: Planned, version: object, *children: Child, failure: Failure | None = None
) -> None:
    """A resolver tells what is inside a version of nginx."""
    message = Described(
        registry="docker.io",
        repository="library/nginx",
        digest=digest((NGINX, version)),
        checked_at=now(),
        children=children,
        failure=failure,
    )
    await planned.described(message)


async def described(planned: Planned, at: Any = None) -> list[Describe]:
    """The descriptions that are asked for."""
    return [q for q in await planned.asks(at) if isinstance(q, Describe)]


def child(platform: str, of: object, config: str = "") -> Child:
    """One manifest of an index."""
    return Child(platform=platform, digest=digest(("manifest", of)), config_digest=config)

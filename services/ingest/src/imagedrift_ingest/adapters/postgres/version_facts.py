"""The facts of an image that its labels tell, in PostgreSQL: stored once, beside its comparison."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import versions
from imagedrift_ingest.core.identities import ImageKey
from imagedrift_ingest.core.images import HostImage

SQL = load("comparisons")


def as_json(facts: Mapping[str, str]) -> str | None:
    """Write facts as they are stored; nothing where there are none."""
    return msgspec.json.encode(facts).decode() if facts else None


async def add_versions(
    database: Database, lacking: Mapping[ImageKey, int], brought: Iterable[Sequence[HostImage]]
) -> set[ImageKey]:
    """Store version facts of images that lack them, by the key of each; return those images."""
    told = {
        image.key: facts
        for images in brought
        for image in images
        if (facts := versions.of_local(image.local)) and image.key in lacking
    }
    if told:
        rows = [(lacking[key], as_json(facts)) for key, facts in told.items()]
        await database.transaction(_write, rows)
    return set(told)


async def _write(connection: asyncpg.Connection, rows: list[tuple[Any, ...]]) -> None:
    await connection.execute(SQL["add_facts"], *arguments(rows, 2))

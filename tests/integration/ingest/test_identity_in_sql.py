"""Ingest and the database compute the same values."""

import json
import re

import asyncpg
import pytest

from imagedrift_ingest.core import versions
from imagedrift_ingest.core.identities import ImageKey
from imagedrift_schemas.digest import PATTERN
from support.ingest import NGINX, digest

SHA512 = "sha512:" + "0f" * 64

KEYS = [
    ImageKey(NGINX, digest("id"), (), "linux/amd64"),
    ImageKey(NGINX, digest("id"), (), "linux/amd64", digest_lost=True),
    ImageKey(NGINX, digest("id"), (digest("a"),), "linux/amd64", digest("m"), by_digest=True),
    ImageKey(NGINX, SHA512, (digest("a"), digest("b"), SHA512), "linux/arm/v7", digest("m")),
    ImageKey(NGINX, digest("id"), (digest("a"),), "Ünïx|true|false/amd64"),
    ImageKey(NGINX, digest("id"), (), "linux/amd64", labels=("1.27", "", "a|b", "", "")),
    ImageKey(NGINX, digest("id"), (), "linux/amd64", labels=("", "", "", "r.io/a", digest("b"))),
]

TEXTS = [
    digest("a"),
    SHA512,
    "",
    "sha256:",
    digest("a")[:-1],
    digest("a") + "0",
    digest("a").upper(),
    digest("a")[:-1] + "g",
    digest("a")[:-1] + "\n",
    digest("a")[:-1] + "ä",
    "sha256:" + "0f" * 64,
    "sha512:" + "0f" * 32,
    "sha255:" + "0f" * 32,
    " " + digest("a")[1:],
]


@pytest.mark.parametrize("key", KEYS)
async def test_an_image_has_one_identity(dsn: str, key: ImageKey) -> None:
    """Ingest finds comparisons by the identity that the database gave them."""
    connection = await asyncpg.connect(dsn)
    try:
        identity = await connection.fetchval(
            "SELECT fleet.identity_of($1, $2, $3, $4, $5, $6, $7)",
            key.image_id,
            list(key.repo_digests),
            key.platform,
            key.manifest_digest or None,
            key.digest_lost,
            key.by_digest,
            json.dumps(versions.named(key.labels)) if key.labels else None,
        )
    finally:
        await connection.close()
    assert key.identity == identity


async def test_a_digest_has_one_grammar(dsn: str) -> None:
    """The database takes exactly the digests of the schemas, and leaves null what is null."""
    connection = await asyncpg.connect(dsn)
    try:
        told = await connection.fetch(
            "SELECT t, fleet.is_digest(t) FROM unnest($1::text[]) AS t", TEXTS
        )
        assert await connection.fetchval("SELECT fleet.is_digest(NULL)") is None
    finally:
        await connection.close()
    assert {row["t"]: row["is_digest"] for row in told} == {
        text: re.fullmatch(PATTERN, text) is not None for text in TEXTS
    }

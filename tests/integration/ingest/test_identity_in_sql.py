"""Ingest and the database compute the same values."""

import json
import random
import re
from contextlib import suppress
from typing import Any, Final

import asyncpg
import msgspec
import pytest
from msgspec import UNSET

from imagedrift_ingest.core import versions
from imagedrift_ingest.core.identities import IdentityCache, ImageKey
from imagedrift_schemas.digest import PATTERN
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import LocalImage
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


OF_MANY = """
    SELECT fleet.identity_of(
      k ->> 'image_id', ARRAY(SELECT jsonb_array_elements_text(k -> 'repo_digests')),
      k ->> 'platform', nullif(k ->> 'manifest_digest', ''), (k ->> 'digest_lost')::boolean,
      (k ->> 'by_digest')::boolean, nullif(k -> 'facts', 'null')
    )
    FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS t (k, nth) ORDER BY nth
"""
ODD: Final = "a1|,: /\t\x1f\x7f\u200b\u00fc\u0130\ufffd\U0001f600"
"""Characters that identities are joined with, that are not shown, and of up to four bytes."""


def made_up(chance: random.Random) -> LocalImage:
    """An image whose texts are of odd characters; some of them are no image."""

    def text() -> str:
        return "".join(chance.choices(ODD, k=chance.randint(0, 5)))

    def one_digest() -> str:
        return digest(chance.randint(0, 2))

    maybe: list[Any] = [UNSET, True]
    labels: dict[str, Any] = {
        name: chance.choice([UNSET, text()]) for name in ("version", "source", "base_name")
    }
    labels["base_digest"] = chance.choice([UNSET, text(), one_digest()])
    return LocalImage(
        reference=NGINX,
        image_id=one_digest(),
        repo_digests=tuple(one_digest() for _ in range(chance.randint(0, 2))),
        platform=chance.choice(["linux/amd64", text()]),
        manifest_digest=chance.choice(["", one_digest()]),
        digest_lost=chance.choice(maybe),
        by_digest=chance.choice(maybe),
        **labels,
    )


async def test_whatever_a_host_sends_has_one_identity(dsn: str) -> None:
    """For odd texts, too, the database has ingest's identities, and no two images have one."""
    chance = random.Random(19)
    reader = IdentityCache().reading()
    keys: set[ImageKey] = set()
    for number in range(3_000):
        with suppress(Malformed):
            keys.add(reader.of(number, made_up(chance)))
    told = [
        msgspec.structs.asdict(key) | {"facts": versions.named(key.labels) or None} for key in keys
    ]
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(OF_MANY, json.dumps(told))
    finally:
        await connection.close()
    assert [row["identity_of"] for row in rows] == [key.identity for key in keys]
    assert len({key.identity for key in keys}) == len(keys) > 1_000


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

"""The identities of images: read once, and remembered when they are stored."""

import msgspec

from imagedrift_ingest.core.identities import ENTRY, IdentityCache, IdentityReader, ImageKey, weight
from imagedrift_ingest.core.images import images_of
from support.ingest import NOW, digest, image


def test_an_identity_is_remembered_when_it_is_stored_and_not_before() -> None:
    """An identity is cached only after the database has stored it."""
    raw = msgspec.Raw(msgspec.json.encode([image()]))
    keys = IdentityCache()

    def read() -> tuple[IdentityReader, ImageKey]:
        reading = keys.reading()
        [one] = images_of(raw, reading, NOW).images
        return reading, one.key

    _, first = read()
    stored, second = read()
    stored.keep()
    _, third = read()
    assert first == second == third
    assert second is third
    assert first is not second


def test_the_weight_of_an_identity_grows_with_its_texts() -> None:
    """Long references and many digests count with their size."""
    long = image(f"r.io/{'a' * 200}:1", repo_digests=tuple(map(digest, range(1000))))
    reading = IdentityCache().reading()
    short, heavy = (
        weight(one.key)
        for one in images_of(
            msgspec.Raw(msgspec.json.encode([image("a:1"), long])), reading, NOW
        ).images
    )
    assert ENTRY < short < 1200
    assert heavy > 130_000

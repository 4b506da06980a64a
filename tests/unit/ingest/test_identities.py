"""The identities of images: read once, and remembered when they are stored."""

import msgspec
from msgspec.structs import replace

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


def test_a_label_that_is_too_long_takes_no_memory() -> None:
    """A host that sends labels of a megabyte fills no cache: they are left out before."""
    reading = IdentityCache().reading()
    keys = [
        reading.of(0, replace(image(), version=str(number) * 10_000, source="git"))
        for number in range(3)
    ]
    assert keys[0] is keys[1] is keys[2]
    assert keys[0].labels == ("", "", "git", "", "")


def test_images_with_different_labels_are_different_images() -> None:
    """One host's labels of an image are no other's, and the weight of a key grows with them."""
    reading = IdentityCache().reading()
    plain, told, other = (
        reading.of(0, replace(image(), **labels))
        for labels in ({}, {"version": "1.27"}, {"source": "1.27"})
    )
    assert len({plain.identity, told.identity, other.identity}) == 3
    assert weight(plain) < weight(told)

"""Messages to bytes and back; and what is said about bytes that are no message."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas import codec
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import Alive, Answer, Inventory, LocalImage, Question, Resolve

ALIVE = b'{"type":"alive","site":"s","host":"h","content":"c","at":"2026-11-23T16:25:00Z"%s}'


@pytest.mark.parametrize(
    ("payload", "kind", "place"),
    [
        (ALIVE % b',"seq":"12"', Alive, "$.seq"),
        (ALIVE % b',"seq":1.5', Alive, "$.seq"),
        (ALIVE % b',"seq":null', Alive, "$.seq"),
        (b'{"type":"alive","site":7}', Alive, "$.site"),
        (b'{"type":"alive","site":"s"}', Alive, "`host`"),
        (b'{"type":"alive","at":"yesterday"}', Alive, "$.at"),
        (b'{"type":"alive","at":"2026-11-23T16:25:00"}', Alive, "$.at"),
        (b'{"type":"alive","at":"2026-02-30T00:00:00Z"}', Alive, "$.at"),
        (b'{"type":"inventory"}', Alive, "$.type"),
        (b'{"type":"inventory","labels":{"env":1}}', Inventory, "$.labels[...]"),
        (b'{"type":"inventory","images":[{"reference":"r","image_id":"i"},{}]}', Inventory, "[1]"),
        (b'{"type":"inventory","images":[{"reference":1}]}', Inventory, "$.images[0].reference"),
        (b'{"type":"answer","outcome":{"type":"fine"}}', Answer, "$.outcome.type"),
        (b'{"type":"answer","outcome":{"type":"found"}}', Answer, "$.outcome"),
    ],
)
def test_a_message_that_breaks_the_contract_is_refused_with_the_path_of_the_field(
    payload: bytes, kind: type, place: str
) -> None:
    """The sender can find the field."""
    with pytest.raises(Malformed) as refusal:
        codec.decode(payload, kind)

    assert place in str(refusal.value)
    assert kind.__name__ in str(refusal.value)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"type":"alive","site":"\xff"}',
        b'{"type":"alive","\xc3\x28":1}',
        b'{"type":"alive","site":"\\ud800"}',
        b'{"type":"alive","seq":1' + b"0" * 400 + b"}",
        b"[" * 100_000,
        b'{"type":"alive","x":' + b"[" * 100_000,
        ALIVE % b"" + b"trailing",
    ],
    ids=lambda payload: ascii(payload[:40]),
)
def test_bytes_that_are_no_json_of_ours_are_refused(payload: bytes) -> None:
    """Truncated, foreign, not UTF-8 or endlessly nested: each is Malformed and nothing worse."""
    with pytest.raises(Malformed):
        codec.decode(payload, Alive)


@given(st.binary())
def test_arbitrary_bytes_are_refused(payload: bytes) -> None:
    """Noise is never taken for a message."""
    with pytest.raises(Malformed):
        codec.decode(payload, Alive)


def test_a_union_is_told_apart_by_its_type_field() -> None:
    """A reader of questions gets the one that was asked."""
    asked = Resolve(
        registry="docker.io",
        repository="library/nginx",
        tag="1.27",
        asked_at=datetime(2026, 11, 23, 16, 20, tzinfo=UTC),
        fresh_since=datetime(2026, 11, 23, 16, 15, tzinfo=UTC),
    )

    assert codec.decode(codec.encode(asked), Question) == asked


def test_times_are_written_in_utc() -> None:
    """A reader in any language sees RFC 3339 with a Z."""
    alive = Alive(site="s", host="h", content="c", at=datetime(2026, 11, 23, 16, 25, tzinfo=UTC))

    assert b'"at":"2026-11-23T16:25:00Z"' in codec.encode(alive)


IMAGE = st.builds(
    LocalImage,
    reference=st.sampled_from(["a:1", "a:2"]),
    image_id=st.sampled_from(["i", "j"]),
    platform=st.sampled_from(["linux/amd64", "linux/arm64"]),
    tagged=st.booleans(),
    running=st.integers(0, 1),
)


@given(st.lists(IMAGE, max_size=5), st.randoms(use_true_random=False))
def test_the_content_does_not_depend_on_the_order_of_images(
    images: list[LocalImage], chance: random.Random
) -> None:
    """An engine lists images in any order; an unchanged host has an unchanged hash."""
    shuffled = list(images)
    chance.shuffle(shuffled)

    assert codec.content_hash(shuffled) == codec.content_hash(images)
    assert is_digest(codec.content_hash(images))


@given(st.lists(IMAGE, max_size=3), st.lists(IMAGE, max_size=3))
def test_different_images_have_different_content(
    some: list[LocalImage], others: list[LocalImage]
) -> None:
    """A change in any field, or of the number of images, is a change of the host."""
    same = sorted(map(repr, some)) == sorted(map(repr, others))

    assert (codec.content_hash(some) == codec.content_hash(others)) is same

"""The cache is bounded by bytes, and entries that are used stay."""

import string

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from imagedrift_ingest.core.bounded_cache import BoundedCache
from imagedrift_ingest.core.images import (
    ENTRY,
    IdentityCache,
    IdentityReader,
    ImageKey,
    images_of,
    weight,
)
from support.ingest import NOW, digest, image

BOUND = 100


class Remembering(RuleBasedStateMachine):
    """Puts and gets, against everything that was ever put."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered: BoundedCache[str, int] = BoundedCache(BOUND)
        self.put_before: dict[str, int] = {}

    @rule(key=st.sampled_from(string.ascii_letters), weight=st.integers(1, 120))
    def put(self, key: str, weight: int) -> None:
        """An entry that fits is found at once."""
        self.put_before.setdefault(key, weight)
        self.remembered.put(key, ord(key), self.put_before[key])
        if self.put_before[key] <= BOUND // 2:
            assert self.remembered.get(key) == ord(key)

    @rule(key=st.sampled_from(string.ascii_letters))
    def get(self, key: str) -> None:
        """A found value is the one that was put."""
        assert self.remembered.get(key) in ({None, ord(key)} if key in self.put_before else {None})

    @invariant()
    def is_bounded(self) -> None:
        """The weights of the entries are within the bound after any sequence."""
        kept = [key for key in self.put_before if self.remembered.peek(key) is not None]
        assert sum(self.put_before[key] for key in kept) <= BOUND


TestRemembering = Remembering.TestCase


def test_what_is_used_outlives_what_is_said_once() -> None:
    """A host with a thousand images of its own displaces none of the fleet's."""
    remembered: BoundedCache[str, int] = BoundedCache(BOUND)
    remembered.put("fleet", 1, 10)
    for n in range(1000):
        remembered.put(f"once-{n}", n, 10)
        assert remembered.get("fleet") == 1


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

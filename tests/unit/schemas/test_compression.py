"""A large inventory is made smaller; what claims to be one and is none is refused."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.compression import (
    MOST_BYTES,
    MOST_RATIO,
    compressed,
    decompressed,
    is_allowed,
)
from imagedrift_schemas.errors import Malformed


@given(st.binary(max_size=2000))
def test_what_is_compressed_is_read_back(payload: bytes) -> None:
    """By us, and by every program that knows gzip."""
    small = compressed(payload)
    assert decompressed(small) == payload
    assert gzip.decompress(small) == payload
    assert decompressed(gzip.compress(payload)) == payload
    assert is_allowed(payload, small)


def test_plain_json_is_left_as_it_is() -> None:
    """Plain JSON never begins as gzip does."""
    assert decompressed(b'{"type":"inventory"}') == b'{"type":"inventory"}'
    assert decompressed(b"") == b""


@pytest.mark.parametrize(
    "payload",
    [
        b"\x1f\x8b",
        b"\x1f\x8b nonsense",
        compressed(b"a" * 100)[:-1],
        compressed(b"a" * 100) + b"x",
        compressed(b"a") + compressed(b"b"),
        compressed(bytes(100_000)),
        gzip.compress(zlib.compress(bytes(10 * MOST_BYTES), 0)[: 2 * MOST_BYTES], 0),
    ],
    ids=["nothing", "nonsense", "cut", "rest", "two", "bomb", "large"],
)
def test_what_is_no_inventory_is_refused(payload: bytes) -> None:
    """A bomb, a piece, and more than one: told in words, before memory is filled."""
    with pytest.raises(Malformed, match=r"^gzip: "):
        decompressed(payload)


def test_who_compresses_can_tell_what_is_refused() -> None:
    """A publisher sends nothing that no reader takes."""
    bomb = bytes(100_000)
    assert not is_allowed(bomb, compressed(bomb))
    assert not is_allowed(bytes(MOST_BYTES + 1), bytes(MOST_BYTES))
    assert is_allowed(bytes(MOST_RATIO), b"x")


@pytest.mark.parametrize("told", [20_000_000, 100], ids=["honest", "lying"])
def test_a_bomb_is_refused_before_it_takes_memory(told: int) -> None:
    """A bomb takes no memory, whatever size it tells of itself."""
    bomb = compressed(bytes(20_000_000))[:-4] + told.to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(Malformed, match=r"^gzip: .*more"):
        decompressed(bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 150_000

"""Runs of blanks, counted over every piece of a connection's data."""

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.adapters.header_guard import LONGEST, HeaderGuard


@given(st.binary(max_size=300), st.integers(1, LONGEST), st.integers(1, 3000))
def test_blanks_are_counted_over_every_piece(before: bytes, size: int, count: int) -> None:
    """A run of blanks is counted over all pieces of a header."""
    run = bytes((b" \t" * count)[:count])
    data = before.rstrip(b" \t") + b"x" + run + b"x"
    guard = HeaderGuard()
    seen = [guard.is_hostile(data[i : i + size]) for i in range(0, len(data), size)]
    assert any(seen) is (count >= LONGEST)

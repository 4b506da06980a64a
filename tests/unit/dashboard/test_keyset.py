"""Paging by keys: the condition of the next page, and the position that stands in an address."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from imagedrift_dashboard.core import keyset
from imagedrift_dashboard.core.keyset import by
from imagedrift_dashboard.core.page_fault import PageFault


class Row(Struct, frozen=True):
    """A row of a list."""

    name: str = ""
    number: int = 0
    at: datetime = datetime(2026, 11, 26, tzinfo=UTC)


def test_keys_of_one_direction_are_compared_as_a_row() -> None:
    """An index can answer the comparison of a row, and the first key by itself."""
    assert keyset.condition((by("site"), by("host"))) == (
        "site >= :after_a::text AND (site, host) > (:after_a::text, :after_b::text)"
    )
    assert keyset.condition((by("at", "timestamptz", descending=True),)) == (
        "(at) < (:after_a::text::timestamptz)"
    )


def test_keys_of_both_directions_are_compared_one_in_the_other() -> None:
    """Where directions differ, the next key counts among rows with an equal one before."""
    keys = (by("hosts", "bigint", descending=True), by("name"))

    assert keyset.condition(keys) == (
        "(hosts < :after_a::text::bigint OR"
        " (hosts = :after_a::text::bigint AND name > :after_b::text))"
    )
    assert keyset.order(keys) == "ORDER BY hosts DESC, name"


@given(name=st.text(), number=st.integers())
def test_a_position_is_read_back(name: str, number: int) -> None:
    """The position of a row gives the row's keys, whatever characters they have."""
    keys = (by("name"), by("number", "bigint"), by("at", "timestamptz"))
    row = Row(name.replace("\0", "").encode(errors="ignore").decode(), number)

    values = keyset.read(keyset.position(row, keys), keys)

    assert values == {
        "after_a": row.name,
        "after_b": str(number),
        "after_c": "2026-11-26T00:00:00+00:00",
    }


@given(text=st.text())
def test_another_text_is_no_position(text: str) -> None:
    """Any other text is refused as a wrong address, and never fails otherwise."""
    try:
        values: dict[str, object] = keyset.read(text, (by("name"),))
    except PageFault:
        values = {}
    assert list(values) in ([], ["after_a"])


@pytest.mark.parametrize("text", ["", "bnVsbA", "WyJcdTAwMDAiXQ", "W10", "WzFd", "é"])
def test_a_position_without_the_keys_is_refused(text: str) -> None:
    """A position that has not one text for each key is refused."""
    with pytest.raises(PageFault):
        keyset.read(text, (by("name"),))

"""A JSON object as Go reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.json_object import (
    LARGEST,
    NotAnObject,
    field,
    kind_of,
    read_object,
)


@pytest.mark.parametrize("text", [b"", b" \t\r\n", b"null", b"{}", b"{} rubbish", b"null{"])
def test_nothing_is_an_empty_object(text: bytes) -> None:
    """Text after the first value is not looked at."""
    assert read_object(text) == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"[]", "is a list, not an object"),
        (b"true", "is a boolean, not an object"),
        (b"\n\n{", r"is not JSON \(line 3\)"),
        (b"{'a': 1}", r"is not JSON \(line 1\)"),
        (b"\xef\xbb\xbf{}", "begins with a byte-order mark"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": NaN}', "nested too deep, or a number out of range"),
        (b" " * (LARGEST + 1), "is larger than 1024 KiB"),
    ],
)
def test_a_text_that_is_no_object_is_told_without_its_content(text: bytes, fault: str) -> None:
    """The fault names a line or a kind, as the content may be a secret."""
    with pytest.raises(NotAnObject, match=fault):
        read_object(text)


def test_a_field_is_known_in_any_case() -> None:
    """An exact name goes before another case; of a name that comes twice the last one counts."""
    document = read_object(b'{"Auths": 1, "AUTHS": 2, "auths": 3, "auths": 4}')

    assert field(document, "auths") == 4
    assert field({"Auths": 1}, "auths") == 1
    assert field(document, "other") is None


def test_half_a_surrogate_pair_can_be_written_again() -> None:
    """Half a pair, and bytes that are not UTF-8, read as U+FFFD."""
    assert read_object(b'{"a": "\\ud800", "b\xff": "x"}') == {"a": "\ufffd", "b\ufffd": "x"}


def test_a_value_is_named_by_its_kind() -> None:
    """Every kind of JSON has a name."""
    values: list[object] = [True, 1, 1.5, "x", [], {}]

    assert [kind_of(value) for value in values] == [
        "a boolean",
        "a number",
        "a number",
        "a text",
        "a list",
        "an object",
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(text: bytes) -> None:
    """Nothing but `NotAnObject` is raised."""
    try:
        found = read_object(text)
    except NotAnObject:
        return
    assert isinstance(found, dict)

"""Text from others is made fit to be stored and shown."""

import json
import tracemalloc
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.text import MOST_MENDED, cleaned, mended

ANY = st.text(st.characters(exclude_categories=()), max_size=60)
"""Any text of Python's, single surrogates included."""


@given(ANY, st.integers(1, 40))
def test_no_character_that_cannot_be_shown_is_left(text: str, most: int) -> None:
    """Of category C, a separator of lines or a mark of direction: none; and not too long."""
    clean = cleaned(text, most)
    assert len(clean) <= most
    assert {unicodedata.category(c)[0] for c in clean} <= set("LMNPSZ")
    assert not {unicodedata.category(c) for c in clean} & {"Zl", "Zp"}
    assert len(clean.splitlines()) <= 1


@given(ANY, st.integers(1, 40))
def test_clean_text_is_left_as_it_is(text: str, most: int) -> None:
    """Cleaning twice is cleaning once."""
    once = cleaned(text, most)
    assert cleaned(once, most) == once


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("web-1 Größe 😀 日本", "web-1 Größe 😀 日本"),
        ("connect: refused\n\tis the daemon up?", "connect: refused  is the daemon up?"),
        ("a\x00b\x1b[31mc", "a\ufffdb\ufffd[31mc"),
        ("abc\u202etxt.exe\u200b", "abc\ufffdtxt.exe\ufffd"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("\ud800", "\ufffd"),
        ("x" * 11, "x" * 9 + "…"),
    ],
)
def test_what_becomes_of_a_text(text: str, clean: str) -> None:
    """White space becomes a space, the rest is marked, and a cut is shown."""
    assert cleaned(text, 10 if text.startswith("x") else 100) == clean


@given(st.dictionaries(ANY, ANY | st.integers() | st.lists(ANY, max_size=3), max_size=4))
def test_json_with_single_surrogates_can_be_decoded(message: dict[str, object]) -> None:
    """As other programs write it, whose texts may be no Unicode."""
    written = json.dumps(message).encode()
    read = msgspec.json.decode(mended(written))
    assert read == json.loads(json.dumps(message, ensure_ascii=False).encode(errors="replace"))


@given(
    st.lists(st.sampled_from([r"\ud83d", r"\uDe00", "\\\\", r"\"", r"\u00e9", "u", "ud8", "d800"]))
)
def test_single_surrogates_alone_are_replaced(parts: list[str]) -> None:
    """Pairs of surrogates and all other escapes stay what they are."""
    written = f'["{"".join(parts)}"]'.encode()
    read = json.dumps(json.loads(written), ensure_ascii=False).encode(errors="replace")
    assert msgspec.json.decode(mended(written)) == json.loads(read)


def test_a_message_of_a_million_values_is_mended_in_the_memory_of_its_text() -> None:
    """Text is mended in a few times its own size, however many values it has."""
    odd = b'["\xff"' + b',{"a":0}' * 900_000 + b"]"
    tracemalloc.start()
    whole = mended(odd)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert whole == odd.replace(b"\xff", "\ufffd".encode())
    assert most < 6 * len(odd)


@given(st.binary(max_size=60) | st.just(b"[" * 100_000) | st.just(b"9" * 5000))
def test_what_is_no_json_stays_what_it_is(payload: bytes) -> None:
    """No text raises anything."""
    assert isinstance(mended(payload), bytes)


def test_a_text_of_many_megabytes_is_not_mended() -> None:
    """A long text stays as it is and so is refused: mending it would hold up all others."""
    odd = rb'["\ud800"' + b',""' * (MOST_MENDED // 3) + b"]"
    assert mended(odd) is odd
    assert msgspec.json.decode(mended(rb'["\ud800",""]')) == ["?", ""]

"""Content digests are recognised, and computed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.digest import (
    digest_of,
    is_digest,
    parse_digest,
    verify,
)
from imagedrift_schemas.errors import BadDigest

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The published SHA-256 of no bytes at all."""


@pytest.mark.parametrize("text", [EMPTY, "sha256:" + "0" * 64, "sha512:" + "f" * 128])
def test_a_digest_of_either_algorithm_is_read_unchanged(text: str) -> None:
    """Both algorithms are read, and the text stays as it was."""
    assert parse_digest(text) == text
    assert is_digest(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "format: no ':'"),
        ("a" * 64, "format: no ':'"),
        ("sha256:", "length: sha256 has 64 hex digits, not 0"),
        ("sha256:" + "a" * 63, "length: sha256 has 64 hex digits, not 63"),
        ("sha256:" + "a" * 65, "length: sha256 has 64 hex digits, not 65"),
        ("sha256:" + "a" * 128, "length: sha256 has 64 hex digits, not 128"),
        ("sha512:" + "a" * 64, "length: sha512 has 128 hex digits, not 64"),
        ("sha256:" + "A" * 64, "format: upper-case hex"),
        ("sha256:" + "g" * 64, "format: the hash has a character that is no hex digit"),
        ("sha256:" + "a" * 64 + "\n", "format: the hash has a character that is no hex digit"),
        (" sha256:" + "a" * 64, "algorithm ' sha256'"),
        ("sha256:" + "٣" * 64, "format: the hash has a character that is no hex digit"),
        ("SHA256:" + "a" * 64, "algorithm 'SHA256'"),
        ("sha384:" + "a" * 96, "algorithm 'sha384': only sha256 and sha512 are known"),
        ("md5:" + "a" * 32, "algorithm 'md5'"),
        ("sha256:sha256:" + "a" * 64, "format: the hash has a character that is no hex digit"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong_about_it(text: str, fault: str) -> None:
    """Algorithm, length, case and stray characters are four different complaints."""
    with pytest.raises(BadDigest) as refusal:
        parse_digest(text)

    assert fault in str(refusal.value)
    assert not is_digest(text)


def test_the_complaint_about_a_huge_text_stays_short() -> None:
    """A megabyte of nonsense does not become a megabyte of log."""
    with pytest.raises(BadDigest) as refusal:
        parse_digest("x" * 1_000_000 + ":")

    assert len(str(refusal.value)) < 500


def test_the_digest_of_no_bytes_is_the_published_one() -> None:
    """The hash is SHA-256 itself, without anything added."""
    assert digest_of(b"") == EMPTY


def test_an_unknown_algorithm_computes_nothing() -> None:
    """A digest is never made by an algorithm that could not be read back."""
    with pytest.raises(BadDigest, match="only sha256 and sha512"):
        digest_of(b"", "md5")


@given(st.binary(max_size=200), st.sampled_from(["sha256", "sha512"]))
def test_what_was_computed_is_read_and_verified(body: bytes, algorithm: str) -> None:
    """A computed digest parses, and verifies its own bytes."""
    digest = digest_of(body, algorithm)

    assert parse_digest(digest) == digest
    assert verify(digest, body)


@given(st.binary(max_size=50), st.sampled_from(["sha256", "sha512"]))
def test_other_bytes_are_not_verified(body: bytes, algorithm: str) -> None:
    """One byte more is another content."""
    assert not verify(digest_of(body, algorithm), body + b"\0")


@given(st.text())
def test_arbitrary_text_is_a_digest_or_refused(text: str) -> None:
    """Nothing but BadDigest is ever raised, and both questions give the same answer."""
    try:
        parse_digest(text)
    except BadDigest:
        assert not is_digest(text)
    else:
        assert is_digest(text)

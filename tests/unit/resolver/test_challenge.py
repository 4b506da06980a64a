"""Challenges as registries write them into `WWW-Authenticate`, and how they are understood."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.challenge import Challenge, parse_challenges

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:pull"'


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], []),
        ([""], []),
        (
            [HUB],
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "a:b:pull",
                    },
                )
            ],
        ),
        (['BASIC realm="Sonatype Nexus"'], [("basic", {"realm": "Sonatype Nexus"})]),
        (["Basic"], [("basic", {})]),
        (
            ['Bearer realm="https://x/t",scope="a:pull,push", Basic realm="g"'],
            [
                ("bearer", {"realm": "https://x/t", "scope": "a:pull,push"}),
                ("basic", {"realm": "g"}),
            ],
        ),
        (["Negotiate", 'Basic realm="x"'], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (["Negotiate YII=, Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (['Bearer  realm = "a" , service = "b"'], [("bearer", {"realm": "a", "service": "b"})]),
        ([r'Bearer realm="a\"b"'], [("bearer", {"realm": 'a"b'})]),
        (['Bearer realm="never closed'], [("bearer", {"realm": "never closed"})]),
        (["Bearer realm=unquoted,service=s"], [("bearer", {"realm": "unquoted", "service": "s"})]),
        (['Bearer realm="first",realm="second"'], [("bearer", {"realm": "first"})]),
        ([",,, ,"], []),
    ],
)
def test_challenges_are_read(
    headers: list[str], expected: list[tuple[str, dict[str, str]]]
) -> None:
    """Challenges are read in every form of RFC 9110."""
    assert parse_challenges(headers) == tuple(Challenge(*each) for each in expected)


@given(st.lists(st.text(max_size=300), max_size=5))
def test_nothing_that_is_sent_raises(headers: list[str]) -> None:
    """Any text gives challenges, or none."""
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower()


@pytest.mark.parametrize(
    "header",
    [
        "a" * 8190 + "@",
        "Bearer " + "a" * 8180 + "@",
        "Bearer " + "a/" * 4090 + "@",
        "a" + " " * 8180 + "@",
        " " * 8190 + "@",
        "Bearer a=" + " " * 8180 + ",",
        "Bearer a" + " " * 4000 + "=" + " " * 4000 + '"',
        'a="' + "\\" * 8180,
        "@" * 8190,
    ],
)
def test_no_header_takes_long_to_read(header: str) -> None:
    """Each host can name an image, and so a registry: it must not hold up all others (P6)."""
    began = time.process_time()
    parse_challenges([header] * 8)
    assert time.process_time() - began < 0.5


def test_what_makes_no_sense_is_passed_over() -> None:
    """A malformed challenge is skipped, and the next one is read."""
    told = 'Bearer realm="https://x/t"'
    for nonsense in ("@", ";;", '"', "(a)", "a/b/c@", "a=,", "é "):
        assert Challenge("bearer", {"realm": "https://x/t"}) in parse_challenges([nonsense + told])


def test_a_flood_of_challenges_is_bounded() -> None:
    """A header of a megabyte is read in part and quickly."""
    assert len(parse_challenges(['Basic realm="x", ' * 100_000] * 3)) <= 16


def test_all_headers_together_are_read_up_to_a_bound() -> None:
    """Many headers of nonsense cost no more than one does."""
    asked = 'Bearer realm="https://r.example/token"'
    assert len(parse_challenges(["<" * 4000, asked])) == 1
    assert parse_challenges(["<" * 4000, "<" * 4000, "<" * 4000, asked]) == ()
    assert len(parse_challenges([f"{asked}, Basic", *["a, b"] * 60])) == 16

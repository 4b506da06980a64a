"""Patterns of decisions, written in full."""

import pytest

from imagedrift_cli.decide import pattern_of
from imagedrift_cli.failures import BadUsage


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("nginx*", "docker.io/library/nginx*"),
        ("team/web:*", "docker.io/team/web:*"),
        ("ghcr.io/a/*", "ghcr.io/a/*"),
        ("localhost/a*", "localhost/a*"),
        ("corp:5000/a*", "corp:5000/a*"),
        ("FOO/a*", "FOO/a*"),
        ("GHCR.io/a/*", "ghcr.io/a/*"),
        ("index.docker.io/library/*", "docker.io/library/*"),
        ("*", "*"),
    ],
)
def test_a_pattern_is_written_as_a_reference_is(text: str, pattern: str) -> None:
    """A pattern without a registry is of Docker Hub, with or without a star."""
    assert pattern_of(text) == pattern


@pytest.mark.parametrize("text", ["NGINX", "a*b", "**"])
def test_a_pattern_that_is_no_reference_is_refused(text: str) -> None:
    """A star stands at the end alone."""
    with pytest.raises(BadUsage):
        pattern_of(text)

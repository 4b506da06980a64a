"""Routes: which images one may tell of."""

import pytest

from support.notifier import route


@pytest.mark.parametrize(
    ("registries", "told"),
    [((), True), (("docker.io",), True), (("ghcr.io", "docker.io"), True), (("ghcr.io",), False)],
)
def test_a_route_tells_of_its_registries(registries: tuple[str, ...], told: bool) -> None:
    """A route without registries tells of all; one with some of those alone."""
    assert route(registries=registries).tells_of("docker.io/library/nginx:1.27") is told

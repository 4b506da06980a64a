"""The keys of Docker's and Podman's files: which registry and path each is for."""

import pytest

from imagedrift_resolver.core.credential import (
    Password,
    Secret,
)
from imagedrift_resolver.core.docker_config import look_up
from support.credential_files import HUB, ME, auth, config, only


@pytest.mark.parametrize("key", [HUB, "docker.io", "index.docker.io", "https://index.docker.io/v1"])
def test_docker_hub_is_found_under_its_old_address(key: str) -> None:
    """Docker Hub's credential is found under its old url."""
    assert only(config(auths={key: auth("me:secret")}), "docker.io") == ME


@pytest.mark.parametrize(
    "key",
    [
        "r.example",
        "r.example/",
        "r.example/v1/",
        "https://r.example",
        "http://r.example/v2",
        "https://R.example/api/docker/v1/",
    ],
)
def test_a_key_may_be_a_url_of_the_host(key: str) -> None:
    """A key may be a url of the host, with any scheme and API version."""
    held = config(auths={key: auth("me:secret")})
    assert only(held, "r.example") == ME
    assert only(held, "r.example:5000") is None
    assert only(held, "example") is None


def test_a_key_with_a_path_is_for_that_path_alone() -> None:
    """A key with a path is for that path, the longest first (containers/image#1288)."""
    held = config(
        auths={
            "r.example/org-a": auth("a:1"),
            "https://r.example/org-b": auth("b:2"),
            "r.example/org-a/team": auth("team:3"),
        }
    )
    for repository in ("org-a", "org-a/x", "org-a/teams/x"):
        assert only(held, "r.example", repository) == Password("a", Secret("1"))
    assert only(held, "r.example", "org-b/x/y") == Password("b", Secret("2"))
    steps = look_up(held, "r.example", "org-a/team/x")
    assert steps == (Password("team", Secret("3")), Password("a", Secret("1")))
    for repository in ("org-ab/x", "org-c/org-a", "x"):
        assert only(held, "r.example", repository) is None
    assert only(held, "r.example:5000", "org-a/x") is None


def test_a_key_of_the_host_serves_what_no_path_does() -> None:
    """A key of the host is for all other paths (renovatebot/renovate#41967)."""
    held = config(auths={"r.example/org-a": auth("a:1"), "r.example": auth("me:secret")})
    assert look_up(held, "r.example", "org-a/x")[0] == Password("a", Secret("1"))
    assert only(held, "r.example", "org-b/x") == ME
    hub = config(auths={"index.docker.io/org": auth("o:1"), HUB: auth("me:secret")})
    assert look_up(hub, "docker.io", "org/x")[0] == Password("o", Secret("1"))
    assert only(hub, "docker.io", "library/x") == ME

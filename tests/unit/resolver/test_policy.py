"""Which registries are asked at all."""

from datetime import UTC, datetime

import pytest

from imagedrift_resolver.core.policy import question_fault, registry_fault
from imagedrift_schemas.v1 import Describe, List, Resolve

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "registry",
    ["docker.io", "ghcr.io", "registry.example.org:5000", "registry.example.org:443", "1.1.1.1"],
)
def test_public_registries_are_asked(registry: str) -> None:
    """Public registries need no configuration."""
    assert registry_fault(registry, named=False, allowed=True) == ""


@pytest.mark.parametrize(
    "registry",
    [
        "localhost",
        "localhost:5000",
        "registry:5000",
        "MACHINE",
        "app.localhost",
        "127.0.0.1:5000",
        "127.1:5000",
        "10.0.0.5:5000",
        "169.254.169.254",
        "[::1]:5000",
        "[fd00:ec2::254]",
        "registry.example.org:22",
        "registry.example.org:80",
    ],
)
def test_names_of_inner_machines_are_not_asked_unless_named(registry: str) -> None:
    """`localhost`, single labels and low ports are refused unless configured."""
    assert registry_fault(registry, named=False, allowed=True)
    assert registry_fault(registry, named=True, allowed=True) == ""


def test_the_policy_deny_lets_only_named_registries_through() -> None:
    """With `deny` only configured registries are asked."""
    assert "deny" in registry_fault("ghcr.io", named=False, allowed=False)
    assert registry_fault("ghcr.io", named=True, allowed=True) == ""


def resolve(registry: str, repository: str, tag: str) -> Resolve:
    """A question."""
    return Resolve(registry=registry, repository=repository, tag=tag, asked_at=NOW, fresh_since=NOW)


@pytest.mark.parametrize(
    ("registry", "repository", "tag"),
    [
        ("docker.io", "library/nginx", "1.27"),
        ("ghcr.io", "a/b/c", "latest"),
        ("10.0.0.5:5000", "x", "V1"),
    ],
)
def test_sound_questions_pass(registry: str, repository: str, tag: str) -> None:
    """A question with a canonical reference is asked."""
    assert question_fault(resolve(registry, repository, tag)) == ""


@pytest.mark.parametrize(
    ("registry", "repository", "tag"),
    [
        ("docker.io", "nginx", "1"),
        ("index.docker.io", "library/nginx", "1"),
        ("ghcr.io", "../../etc", "1"),
        ("ghcr.io", "a/b", "../../x"),
        ("ghcr.io", "a/b", "1?x=y"),
        ("ghcr.io", "a/b", "1\r\nHost: evil"),
        ("ghcr.io/x", "a/b", "1"),
        ("ghcr.io@evil", "a/b", "1"),
        ("", "a/b", "1"),
        ("ghcr.io", "", ""),
    ],
)
def test_questions_that_would_ask_something_else_are_refused(
    registry: str, repository: str, tag: str
) -> None:
    """A malformed reference never becomes part of a url (CVE-2024-3727)."""
    assert question_fault(resolve(registry, repository, tag))


@pytest.mark.parametrize(
    ("repository", "is_sound"),
    [
        ("library/nginx", True),
        ("nginx", False),
        ("library/nginx:1", False),
        (f"library/nginx@sha256:{'a' * 64}", False),
        ("library/nginx?n=1", False),
        ("library/../nginx", False),
        ("", False),
    ],
)
def test_a_question_for_tags_names_a_repository_and_nothing_else(
    repository: str, is_sound: bool
) -> None:
    """A tag, a digest, a query or a short name in place of a repository is refused."""
    question = List(registry="docker.io", repository=repository, asked_at=NOW, fresh_since=NOW)

    assert (question_fault(question) == "") is is_sound


def test_a_digest_that_is_none_is_refused() -> None:
    """A malformed digest is refused before a url is made (CVE-2024-3727)."""
    for digest in ("sha256:../x", "sha256:abc", "md5:" + "a" * 32):
        question = Describe(registry="ghcr.io", repository="a/b", digest=digest, asked_at=NOW)
        assert question_fault(question)
    fine = Describe(registry="ghcr.io", repository="a/b", digest=f"sha256:{'a' * 64}", asked_at=NOW)
    assert question_fault(fine) == ""

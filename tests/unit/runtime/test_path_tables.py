"""Credentials for a part of a registry."""

import pytest

from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import RegistriesFault, Registry

PATHS = """
[registry."quay.io/org-a"]
username = "org-a+robot"
password_file = "/run/secrets/a"
[registry."quay.io/org-a/team"]
token_file = "/run/secrets/team"
[registry."index.docker.io/org-b"]
username = "b"
password_file = "/run/secrets/b"
[registry."[fd00::1]:5000/org"]
token_file = "/run/secrets/c"
"""


def test_a_path_has_a_credential_of_its_own() -> None:
    """containers/image#1288: the longest path that a repository lies in, by whole components."""
    known = operator_file.parse(PATHS)
    for registry, repository, path in (
        ("quay.io", "org-a", "org-a"),
        ("quay.io", "org-a/x/y", "org-a"),
        ("quay.io", "org-a/team", "org-a/team"),
        ("quay.io", "org-a/team/x", "org-a/team"),
        ("quay.io", "org-a/teams", "org-a"),
        ("docker.io", "org-b/x", "org-b"),
        ("[fd00::1]:5000", "org/x", "org"),
    ):
        found = known.credential_of(registry, repository)
        assert found is not None
        assert found.path == path
    for registry, repository in (
        ("quay.io", "org-ab/x"),
        ("quay.io", "x/org-a"),
        ("quay.io", "org"),
        ("ghcr.io", "org-a/x"),
    ):
        assert known.credential_of(registry, repository) is None


def test_a_registry_that_is_named_with_a_path_is_named() -> None:
    """A registry named with a path is asked under `deny`; its limits and lane stay as they were."""
    known = operator_file.parse('policy = "deny"\n' + PATHS)
    assert known.allowed("quay.io")
    assert known.is_named("docker.io")
    assert not known.allowed("ghcr.io")
    assert known.of("quay.io") == Registry()
    assert known.lane_of("quay.io") == "quay"
    assert known.owns_lane("quay.io")


def test_one_user_name_with_two_secrets_has_two_labels() -> None:
    """Budgets and answers are kept by a credential's name."""
    known = operator_file.parse(
        '[registry."a.b"]\nusername="robot"\npassword_file="/1"\n'
        '[registry."a.b/x"]\nusername="robot"\npassword_file="/2"\n'
        '[registry."a.b/y"]\nusername="robot-y"\npassword_file="/2"\n'
        '[registry."a.b/v"]\ntoken_file="/3"\n'
        '[registry."a.b/w"]\ntoken_file="/4"\n'
    )
    labels = {path: each.label for path, each in known.paths["a.b"].items()}
    assert labels == {
        "x": "robot (x)",
        "y": "",
        "v": "identity-token (v)",
        "w": "identity-token (w)",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[registry."a.b/x"]\nscheme="http"\ntoken_file="t"', "f:2: registry.a.b/x.scheme: a path"),
        ('[registry."a.b/x"]\nproxy=""\ntoken_file="t"', 'put it into [registry."a.b"]'),
        (
            '[registry."a.b/x"]\nshceme="http"\ntoken_file="t"',
            "f:2: registry.a.b/x.shceme: unknown",
        ),
        ('[registry."a.b/x"]\nlabel="l"\ntoken_file="t"', "f:2: registry.a.b/x.label: unknown"),
        ('[registry."a.b/x"]\nusername="u"', "f:2: registry.a.b/x.username: needs password_file"),
        ('[registry."a.b/x"]\npassword="hunter2"', "f:2: registry.a.b/x.password: a secret"),
        ('[registry."a.b/x"]\ntoken_file=7', "f:2: registry.a.b/x.token_file: write it in quotes"),
        ('\n[registry."a.b/x"]', "f:2: registry.a.b/x: name a credential"),
        ('[registry."a.b/X"]\ntoken_file="t"', "f:1: registry.a.b/X: write lower-case"),
        ('[registry."a.b/"]\ntoken_file="t"', "f:1: registry.a.b/: write lower-case"),
        ('[registry."a.b/x/"]\ntoken_file="t"', "f:1: registry.a.b/x/: write lower-case"),
        ('[registry."a.b/x:1"]\ntoken_file="t"', "f:1: registry.a.b/x:1: write lower-case"),
        ('[registry."org/x"]\ntoken_file="t"', "f:1: registry.org/x: write a registry's host"),
        (
            '[registry."docker.io/x"]\ntoken_file="t"\n[registry."index.docker.io/x"]\ntoken_file="t"',
            "f:3: registry.index.docker.io/x: named twice",
        ),
    ],
)
def test_a_fault_of_a_path_names_its_key_and_line(text: str, expected: str) -> None:
    """Only what says who we are has a place in its table."""
    with pytest.raises(RegistriesFault) as caught:
        operator_file.parse(text, "f")
    assert expected in str(caught.value)
    assert "hunter2" not in str(caught.value)

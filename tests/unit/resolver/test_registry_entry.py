"""The hosts that a registry's table in `registries.toml` names."""

import pytest

from imagedrift_resolver.adapters.registry_entry import api_of, mirror_of, realms_of
from imagedrift_runtime.registries.operator_file import Registry


@pytest.mark.parametrize(
    ("registry", "entry", "api"),
    [
        ("r.example:5000", Registry(), "https://r.example:5000"),
        ("r.example", Registry(scheme="http"), "http://r.example"),
        ("docker.io", Registry(), "https://registry-1.docker.io"),
        ("docker.io", Registry(endpoint="mirror.lan:5000/hub"), "https://mirror.lan:5000"),
    ],
)
def test_a_registry_answers_at_its_name_or_at_its_endpoint(
    registry: str, entry: Registry, api: str
) -> None:
    """Docker Hub's servers have another name than the registry."""
    url = api_of(registry, entry)

    assert f"{url.scheme}://{url.authority}" == api


def test_a_mirror_is_named_by_its_host() -> None:
    """The path of an endpoint is no part of it."""
    assert mirror_of(Registry(endpoint="Mirror.lan:5000/hub")) == "mirror.lan:5000"
    assert mirror_of(Registry()) == ""


def test_realms_are_compared_in_lower_case() -> None:
    """As they are spelt in a url that was read."""
    assert realms_of(Registry(realms=("GitLab.example", "a.b"))) == {"gitlab.example", "a.b"}

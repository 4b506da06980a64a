"""The names of registries, which are read as those of references are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.registry_name import RegistryName


@pytest.mark.parametrize(
    ("text", "name", "host", "port"),
    [
        ("ghcr.io", "ghcr.io", "ghcr.io", None),
        ("GHCR.io", "ghcr.io", "ghcr.io", None),
        ("index.docker.io", "docker.io", "docker.io", None),
        ("localhost", "localhost", "localhost", None),
        ("registry.lan:5000", "registry.lan:5000", "registry.lan", 5000),
        ("[fd00::1]", "[fd00::1]", "[fd00::1]", None),
        ("[FD00::1]:443", "[fd00::1]:443", "[fd00::1]", 443),
        ("MYHOST", "MYHOST", "MYHOST", None),
    ],
)
def test_a_name_has_a_normal_form_a_host_and_a_port(
    text: str, name: str, host: str, port: int | None
) -> None:
    """As the reference of any image there has them."""
    read = RegistryName.parse(text)
    assert (read.text, read.host, read.port) == (name, host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "myhost",
        "r.example/a",
        "my_host.lan",
        "r.example:x",
        "<none>",
        "a b.c",
        "a" * 256 + ".b",
    ],
)
def test_no_other_text_is_a_name(text: str) -> None:
    """A label alone would be a user of Docker Hub."""
    with pytest.raises(BadReference):
        RegistryName.parse(text)


@given(st.text("aA1.:-[]_/@", max_size=12))
def test_a_name_is_read_as_the_domain_of_a_reference(text: str) -> None:
    """The two parsers agree on any text."""
    try:
        reference = ImageReference.parse(f"{text}/a/b")
    except BadReference:
        reference = None
    if reference is None or reference.path != "a/b":
        with pytest.raises(BadReference):
            RegistryName.parse(text)
        return
    name = RegistryName.parse(text)
    assert name.text == reference.registry
    assert name.is_machine_bound == reference.is_machine_bound

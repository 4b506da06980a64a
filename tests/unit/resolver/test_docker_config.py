"""Docker's `config.json`: which credential it holds for a registry, or who has it."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from imagedrift_resolver.core.credential import (
    Credential,
    IdentityToken,
    Password,
    RegistryToken,
    Secret,
)
from imagedrift_resolver.core.docker_config import (
    DockerConfig,
    Fault,
    Helper,
    look_up,
    parse_config,
    read_helper,
)

HUB = "https://index.docker.io/v1/"


def config(**document: Any) -> DockerConfig:
    """Read a document."""
    parsed = parse_config(json.dumps(document).encode())
    assert isinstance(parsed, DockerConfig)
    return parsed


def auth(pair: str) -> dict[str, str]:
    """An entry as `docker login` writes it."""
    return {"auth": base64.b64encode(pair.encode()).decode()}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("me:secret"), Password("me", Secret("secret"))),
        (auth("me:se:cret"), Password("me", Secret("se:cret"))),
        (auth("me:secret\0\0"), Password("me", Secret("secret"))),
        ({"username": "me", "password": "secret"}, Password("me", Secret("secret"))),
        (auth("me:x") | {"identitytoken": "long"}, IdentityToken(Secret("long"))),
        ({"registrytoken": "abc.def"}, RegistryToken(Secret("abc.def"))),
        ({}, None),
    ],
)
def test_written_credentials_are_read(entry: dict[str, str], expected: Credential | None) -> None:
    """A pair split at its first colon, an identity token, a bearer token, or a mark of nothing."""
    assert look_up(config(auths={"ghcr.io": entry}), "ghcr.io") == expected


@pytest.mark.parametrize("entry", [auth("no colon"), auth(":x"), auth("me:"), {"auth": "%%%"}])
def test_a_wrong_entry_is_told_without_its_secret(entry: dict[str, str]) -> None:
    """What is there and cannot be used is no anonymity."""
    found = look_up(config(auths={"ghcr.io": entry}), "ghcr.io")
    assert isinstance(found, Fault)
    assert entry["auth"] not in found.reason


@pytest.mark.parametrize("key", [HUB, "docker.io", "index.docker.io", "https://index.docker.io/v1"])
def test_docker_hub_is_found_under_its_old_address(key: str) -> None:
    """`docker login` writes Docker Hub under a url of its own."""
    found = look_up(config(auths={key: auth("me:secret")}), "docker.io")
    assert found == Password("me", Secret("secret"))


def test_a_key_may_be_a_url_of_the_host() -> None:
    """Scheme and path do not matter; another host does."""
    held = config(auths={"https://registry.example.org/v2/": auth("me:secret")})
    assert look_up(held, "registry.example.org") == Password("me", Secret("secret"))
    assert look_up(held, "registry.example.org:5000") is None
    assert look_up(held, "example.org") is None


def test_a_helper_goes_before_the_store_and_that_before_what_is_written() -> None:
    """The order in which Docker looks."""
    held = config(
        auths={"a.example": auth("me:secret"), "b.example": {}},
        credHelpers={"a.example": "ecr-login"},
        credsStore="pass",
    )
    assert look_up(held, "a.example") == Helper("ecr-login", "a.example", True)
    assert look_up(held, "b.example") == Helper("pass", "b.example", False)
    assert look_up(held, "docker.io") == Helper("pass", HUB, False)
    written = config(auths={"a.example": auth("me:secret")}, credsStore="pass")
    assert look_up(written, "a.example") == Password("me", Secret("secret"))


def test_a_helper_that_is_no_programs_name_is_refused() -> None:
    """A suffix with a path in it would run any program."""
    for suffix in ("../../bin/sh", "a b", "x;y", "-/x"):
        assert isinstance(look_up(config(credsStore=suffix), "a.example"), Fault)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b'{"ServerURL":"x","Username":"AWS","Secret":"pw"}', Password("AWS", Secret("pw"))),
        (b'{"Username":"<token>","Secret":"long"}', IdentityToken(Secret("long"))),
        (b'{"Username":"","Secret":""}', None),
    ],
)
def test_a_helpers_word_is_read(output: bytes, expected: Credential | None) -> None:
    """A pair, an identity token, or nothing."""
    assert read_helper(output) == expected


@given(st.binary(max_size=200))
def test_no_content_raises(content: bytes) -> None:
    """Whatever stands in the file or comes from a helper is a value."""
    parsed = parse_config(content)
    if isinstance(parsed, DockerConfig):
        look_up(parsed, "docker.io")
    read_helper(content)


def test_no_secret_is_ever_shown() -> None:
    """Neither `repr` nor `str`, nor rich's, of anything that holds a secret writes it."""
    for holder in (
        Secret("hunter2"),
        Password("me", Secret("hunter2")),
        IdentityToken(Secret("hunter2")),
        RegistryToken(Secret("hunter2")),
        [Secret("hunter2")],
    ):
        assert "hunter2" not in f"{holder} {holder!r} {pretty_repr(holder)}"

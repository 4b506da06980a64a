"""One entry of `auths`, and the answer of a helper."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.credential import (
    Credential,
    IdentityToken,
    Password,
    RegistryToken,
    Secret,
)
from imagedrift_resolver.core.credential_entry import EntryFault, read_helper
from imagedrift_resolver.core.docker_config import look_up, parse_config
from support.credential_files import ANY, FIELD, ME, auth, config, only


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("me:secret"), ME),
        (auth("me:se:cret"), Password("me", Secret("se:cret"))),
        (auth("me:secret\0\0"), ME),
        ({"auth": auth("me:secret")["auth"] + "\r\n"}, ME),
        ({"Auth": auth("me:secret")["auth"]}, ME),
        ({"username": "me", "password": "secret"}, ME),
        ({"auth": "", "username": "me", "password": "secret"}, ME),
        (auth("me:x") | {"identitytoken": "long"}, IdentityToken(Secret("long"))),
        (auth("me:secret") | {"identitytoken": None, "registrytoken": ""}, ME),
        (auth("me:secret") | {"email": 5}, ME),
        ({"registrytoken": "abc.def"}, RegistryToken(Secret("abc.def"))),
    ],
)
def test_written_credentials_are_read(entry: dict[str, str], expected: Credential) -> None:
    """An entry of `auths` is a password, an identity token or a bearer token."""
    assert only(config(auths={"ghcr.io": entry}), "ghcr.io") == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("no colon"), 'auths."r.example".auth: its base64 holds no user:password'),
        (auth(":hunter2"), 'auths."r.example".auth: the user name or the password is empty'),
        (auth("hunter2:"), 'auths."r.example".auth: the user name or the password is empty'),
        ({"auth": "%hunter2%"}, 'auths."r.example".auth: is not base64'),
        ({"auth": "/////w=="}, 'auths."r.example".auth: its base64 holds no UTF-8'),
        ({"auth": 5}, 'auths."r.example".auth: is a number, not a text'),
        ({"auth": ["hunter2"]}, 'auths."r.example".auth: is a list, not a text'),
        ({"identitytoken": {}}, 'auths."r.example".identitytoken: is an object, not a text'),
        ({"registrytoken": "hunter 2"}, 'auths."r.example".registrytoken: has a character'),
        ({"username": "hunter2"}, 'auths."r.example": the user name or the password is empty'),
        ("hunter2", 'auths."r.example": is a text, not an object'),
        (True, 'auths."r.example": is a boolean, not an object'),
    ],
)
def test_a_broken_entry_is_told_by_its_key_and_costs_itself_alone(
    entry: Any, expected: str
) -> None:
    """A broken entry is reported by its key, without a value, and others are served."""
    held = config(auths={"r.example": entry, "ghcr.io": auth("me:secret")})
    fault = only(held, "r.example")
    assert isinstance(fault, EntryFault)
    assert fault.own
    assert fault.reason.startswith(expected)
    assert "hunter2" not in fault.reason
    assert only(held, "ghcr.io") == ME


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b'{"ServerURL":"x","Username":"AWS","Secret":"pw"}', Password("AWS", Secret("pw"))),
        (b'{"Username":"<token>","Secret":"long"}', IdentityToken(Secret("long"))),
        (b'{"Username":"","Secret":""}', None),
    ],
)
def test_a_helpers_word_is_read(output: bytes, expected: Credential | None) -> None:
    """A helper returns a password, an identity token, or nothing."""
    assert read_helper(output) == expected


@given(st.binary(max_size=200))
def test_no_content_raises(content: bytes) -> None:
    """Any content of the file, and any output of a helper, is a value."""
    assert isinstance(look_up(parse_config(content), "docker.io", "a/b"), tuple)
    assert isinstance(read_helper(content), Credential | EntryFault | None)


PLACE = st.sampled_from(
    [
        ("auths", "r.example"),
        ("auths", "r.example/a"),
        ("auths", "https://r.example/v1/"),
        ("credHelpers", "r.example"),
        ("credHelpers", "r.example/a"),
        ("other", "x"),
    ]
)


@given(PLACE, FIELD | st.none(), ANY)
def test_no_value_at_any_place_costs_another_registry_or_shows_a_secret(
    place: tuple[str, str], field: str | None, value: Any
) -> None:
    """No value in one registry's entry affects another one or is repeated."""
    document: dict[str, dict[str, Any]] = {"auths": {"ghcr.io": auth("me:secret")}}
    document.setdefault(place[0], {})[place[1]] = {field: value} if field else value
    held = config(**document)

    assert look_up(held, "ghcr.io", "a/b") == (ME,)
    for step in look_up(held, "r.example", "a/b"):
        reason = step.reason if isinstance(step, EntryFault) else ""
        assert "hunter2" not in reason
        assert "aHVudGVyMg" not in reason
        reason.encode()

"""Docker's and Podman's files: what they hold for a repository, and in which order it is tried."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from imagedrift_resolver.core.credential import (
    Anonymous,
    Credential,
    IdentityToken,
    Password,
    RegistryToken,
    Secret,
)
from imagedrift_resolver.core.credential_entry import EntryFault, read_helper
from imagedrift_resolver.core.docker_config import DockerConfig, Helper, look_up, parse_config
from imagedrift_resolver.core.json_object import LARGEST

HUB = "https://index.docker.io/v1/"
ME = Password("me", Secret("secret"))


def config(**document: Any) -> DockerConfig:
    """Read a document."""
    return parse_config(json.dumps(document).encode())


def auth(pair: str) -> dict[str, str]:
    """An entry as `docker login` writes it."""
    return {"auth": base64.b64encode(pair.encode()).decode()}


def only(held: DockerConfig, registry: str, repository: str = "a/b") -> Any:
    """Return the one thing to try, or None when there is nothing."""
    steps = look_up(held, registry, repository)
    assert len(steps) <= 1
    return steps[0] if steps else None


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
    "text",
    [
        b"",
        b"\n",
        b" \t\r\n",
        b"null",
        b"{}",
        b'{"auths": null, "credHelpers": null, "credsStore": null}',
        b'{"auths": {}, "credHelpers": {}, "credsStore": ""}',
        b'{"auths": {"ghcr.io": null}}',
        b'{"auths": {"ghcr.io": {}}}',
        b'{"auths": {"ghcr.io": {"auth": ""}}}',
        b'{"auths": {"ghcr.io": {"auth": null, "email": "me@r.example"}}}',
        b'{"auths": {"ghcr.io": {"username": "", "password": null}}}',
        b'{"credHelpers": {"ghcr.io": ""}}',
        b'{"credHelpers": {"ghcr.io": null}}',
    ],
)
def test_what_is_absent_null_or_empty_says_nothing(text: bytes) -> None:
    """Absent, null and empty are no credential (docker/cli#2599, oras-project/oras-go#962)."""
    assert look_up(parse_config(text), "ghcr.io", "a/b") == ()


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
    ("text", "expected"),
    [
        (b'{"auths": {"ghcr.io": {"auth": "aHVu', "is not JSON (line 1)"),
        (b'\n\n{"auths"', "is not JSON (line 3)"),
        (b'\xef\xbb\xbf{"auths": {}}', "begins with a byte-order mark"),
        ('{"auths": {}}'.encode("utf-16"), "begins with a byte-order mark"),
        (b"[1]", "is a list, not an object"),
        (b'"x"', "is a text, not an object"),
        (b'{"a":' * 100_000, "is no JSON that can be read"),
        (b'{"a": NaN}', "is no JSON that can be read"),
        (b" " * (LARGEST + 1), "is larger than 1024 KiB"),
        (b'{"auths": 5}', "auths: is a number, not an object"),
        (b'{"credHelpers": ["x"]}', "credHelpers: is a list, not an object"),
        (b'{"credsStore": {"x": "y"}}', "credsStore: is an object, not a text"),
    ],
)
def test_a_file_that_is_broken_as_a_whole_is_the_fault_of_no_registry(
    text: bytes, expected: str
) -> None:
    """A file that is broken as a whole denies no registry (docker/cli#1637)."""
    fault = only(parse_config(text), "ghcr.io")
    assert isinstance(fault, EntryFault)
    assert not fault.own
    assert fault.reason.startswith(expected)


@pytest.mark.parametrize(
    "text",
    [
        b'{"auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}}} trailing',
        b'{"auths": 5, "auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}}}',
        b'{"HttpHeaders": {"x": "\xff"}, "auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}}}',
        b'{"psFormat": "\\ud800", "Auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}}}',
        b'{"credHelpers": 5, "auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}}}',
        b'{"credsStore": "../x", "auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}}}',
        b'{"credHelpers": {"ghcr.io": 5}, "auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}}}',
        b'{"auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}, "https://ghcr.io/v1/": {"auth": "%"}}}',
        b'{"auths": {"ghcr.io": {}, "https://ghcr.io": {"auth": "bWU6c2VjcmV0"}}}',
    ],
)
def test_what_is_broken_elsewhere_in_the_file_costs_nothing(text: bytes) -> None:
    """A fault elsewhere in the file leaves the credential."""
    steps = look_up(parse_config(text), "ghcr.io", "a/b")
    assert [step for step in steps if not isinstance(step, EntryFault)] == [ME]


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


def test_one_user_name_with_two_passwords_is_two_credentials() -> None:
    """Two passwords of one user name are two credentials, named with their path."""
    held = config(
        auths={
            "r.example": auth("robot:1"),
            "r.example/org-a": auth("robot:2"),
            "r.example/org-b": auth("other:3"),
            "r.example/org-c": {"identitytoken": "x"},
            "r.example/org-d": {"identitytoken": "y"},
        }
    )
    names = {path: look_up(held, "r.example", f"{path}/x")[0] for path in ("a", "org-a", "org-b")}
    assert [getattr(each, "name", None) for each in names.values()] == [
        "robot",
        "robot (org-a)",
        "other",
    ]
    for path in ("org-c", "org-d"):
        token = look_up(held, "r.example", f"{path}/x")[0]
        assert isinstance(token, IdentityToken)
        assert token.name == f"identity-token ({path})"


def test_a_helper_goes_before_the_store_and_that_before_what_is_written() -> None:
    """Docker asks helper, store, then `auths` (GoogleContainerTools/jib#1819)."""
    held = config(
        auths={"a.example": auth("me:old"), "b.example": {}, "c.example": auth("me:old")},
        credHelpers={"a.example": "ecr-login", "d.example": ""},
        credsStore="pass",
    )
    assert look_up(held, "a.example") == (Helper("ecr-login", "a.example", True),)
    assert look_up(held, "b.example") == (Helper("pass", "b.example", False),)
    assert look_up(held, "docker.io") == (Helper("pass", HUB, False),)
    assert look_up(held, "c.example")[0] == Helper("pass", "c.example", False)


def test_a_registry_whose_helper_is_named_as_nothing_has_it_in_the_file() -> None:
    """A registry with an empty helper's name has its credential in `auths`."""
    for nothing in ("", None):
        held = config(
            auths={"d.example": auth("me:secret")},
            credHelpers={"d.example": nothing},
            credsStore="pass",
        )
        assert look_up(held, "d.example") == (ME, Helper("pass", "d.example", False))


def test_podman_knows_no_store_and_names_docker_hub_by_its_own_name() -> None:
    """Podman has no store, and its helpers come before `auths`."""
    held = parse_config(
        json.dumps(
            {
                "auths": {"r.example": auth("me:secret")},
                "credHelpers": {"docker.io": "hub", "r.example/org-a": "vault"},
                "credsStore": "pass",
            }
        ).encode(),
        is_podman=True,
    )
    assert look_up(held, "r.example", "org-b/x") == (ME,)
    assert look_up(held, "docker.io", "org-b/x") == (Helper("hub", "docker.io", True),)
    asked = Helper("vault", "r.example/org-a", True, "org-a")
    assert look_up(held, "r.example", "org-a/x") == (asked,)


@pytest.mark.parametrize("suffix", ["../../bin/sh", "a b", "x;y", "-/x"])
def test_a_helper_that_is_no_programs_name_is_refused(suffix: str) -> None:
    """A suffix with a path in it would run any program."""
    assert isinstance(only(config(credsStore=suffix), "a.example"), EntryFault)
    assert isinstance(only(config(credHelpers={"a.example": suffix}), "a.example"), EntryFault)


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
    look_up(parse_config(content), "docker.io", "a/b")
    read_helper(content)


FIELD = st.sampled_from(["auth", "identitytoken", "registrytoken", "username", "password", "Auth"])
SECRETS = ["hunter2", "aHVudGVyMg==", "aHVudGVyMjo=", "\ud800"]
SCALAR = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(SECRETS)
ANY: st.SearchStrategy[Any] = st.recursive(
    SCALAR | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | FIELD, inner),
    max_leaves=8,
)
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


@given(st.sampled_from(["auths", "credHelpers", "credsStore", "x"]), ANY)
def test_no_value_of_a_whole_part_raises_or_denies(part: str, value: Any) -> None:
    """A fault that may concern any registry is a fault of none."""
    text = json.dumps({part: value}).encode()
    for step in look_up(parse_config(text), "ghcr.io", "a/b"):
        assert not (isinstance(step, EntryFault) and step.own)


def test_no_secret_is_ever_shown() -> None:
    """No text form of a credential contains its secret."""
    for holder in (
        Secret("hunter2"),
        Password("me", Secret("hunter2")),
        IdentityToken(Secret("hunter2")),
        RegistryToken(Secret("hunter2")),
        [Secret("hunter2")],
        config(auths={"r.example": auth("me:hunter2")}),
    ):
        assert "hunter2" not in f"{holder} {holder!r} {pretty_repr(holder)}"


def test_anonymity_is_one_whatever_is_noted() -> None:
    """All anonymous credentials are equal."""
    assert Anonymous("why") == Anonymous()
    assert len({Anonymous("why"), Anonymous()}) == 1
    assert Anonymous("why") != ME

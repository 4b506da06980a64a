"""Docker's and Podman's files: what they hold for a repository, and in which order it is tried."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.credential_entry import EntryFault
from imagedrift_resolver.core.docker_config import Helper, look_up, parse_config
from imagedrift_resolver.core.json_object import LARGEST
from support.credential_files import ANY, HUB, ME, auth, config, only


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


@given(st.sampled_from(["auths", "credHelpers", "credsStore", "x"]), ANY)
def test_no_value_of_a_whole_part_raises_or_denies(part: str, value: Any) -> None:
    """A fault that may concern any registry is a fault of none."""
    text = json.dumps({part: value}).encode()
    for step in look_up(parse_config(text), "ghcr.io", "a/b"):
        assert not (isinstance(step, EntryFault) and step.own)

"""Where a conversation follows a redirect, and what it takes along.

GHSA-vh4v-2xq2-g5cg, CVE-2026-50151, GO-2026-5822.
"""

import pytest

from imagedrift_resolver.core.conversation import Authorise, Send
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import (
    Denied,
    Found,
    Invalid,
    Refused,
)
from support.conversations import (
    BEARER,
    ME,
    ask,
    challenge,
    good,
    methods,
    moved,
    shown,
    site,
)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_without_the_credential(status: int) -> None:
    """A redirect to another host is followed without the credential."""

    def server(step: Send) -> Reply:
        if step.url.host == "cdn.example":
            return good()
        if not step.authorization:
            return challenge("Basic")
        return moved("https://cdn.example/v2/other/app/manifests/1", status)

    outcome, _, steps = ask(site(credential=ME), server)
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD HEAD HEAD"
    assert [bool(shown(step)) for step in steps] == [False, True, False]


def test_where_a_redirect_leads_gets_an_anonymous_token_of_its_own() -> None:
    """A redirected host's challenge gets an anonymous token for its own repository."""

    def server(step: Send) -> Reply:
        if step.url.host == "registry.example.org":
            return moved("https://eu.pkg.dev/v2/k8s/images/app/manifests/1")
        if shown(step) == "Bearer token-eu.pkg.dev-1":
            return good()
        return challenge('Bearer realm="https://eu.pkg.dev/v2/token",service="eu.pkg.dev"')

    outcome, _, steps = ask(site(credential=ME), server)
    assert isinstance(outcome, Found)
    asked = steps[2]
    assert isinstance(asked, Authorise)
    assert asked.grant.credential == "anonymous"
    assert asked.grant.scope == "repository:k8s/images/app:pull"


def test_a_redirected_host_that_names_the_registrys_realm_gets_no_token_of_its() -> None:
    """A redirected host that names the registry's realm gets no token of the registry."""

    def server(step: Send) -> Reply:
        if step.url.host == "registry.example.org":
            return moved("https://evil.example/v2/team/app/manifests/1")
        return challenge(BEARER)

    _, _, steps = ask(site(credential=ME), server)
    asked = steps[2]
    assert isinstance(asked, Authorise)
    assert asked.grant.credential == asked.credential.name == "anonymous"


def test_a_redirected_host_that_wants_basic_is_shown_nothing() -> None:
    """A redirected host with a Basic challenge receives nothing."""

    def server(step: Send) -> Reply:
        if step.url.host == "registry.example.org" and step.url.port == 443:
            return moved("https://registry.example.org:8443/v2/team/app/manifests/1")
        return challenge("Basic")

    outcome, _, steps = ask(site(credential=ME), server)
    assert isinstance(outcome, Denied)
    assert not any(shown(step) for step in steps)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://registry.example.org/v2/team/app/manifests/1", Refused),
        ("https://127.0.0.1/x", Refused),
        ("https://169.254.169.254/latest/meta-data", Refused),
        ("https://[fd00:ec2::254]/x", Refused),
        ("file:///etc/passwd", Invalid),
        ("https://user:pw@cdn.example/x", Invalid),
        ("", Found),
    ],
)
def test_a_redirect_that_leads_astray_is_not_followed(location: str, expected: type) -> None:
    """A redirect out of TLS, to inner machines or to a malformed url is not followed."""
    seen: list[str] = []

    def server(step: Send) -> Reply:
        seen.append(str(step.url))
        return moved(location) if len(seen) == 1 else good()

    outcome, _, _ = ask(site(), server)
    assert isinstance(outcome, expected)
    if expected is not Found:
        assert len(seen) == 1


def test_redirects_come_to_an_end() -> None:
    """A circle of redirects ends after a few hops."""
    outcome, _, steps = ask(site(), lambda _: moved("/v2/team/app/manifests/1"))
    assert isinstance(outcome, Invalid)
    assert methods(steps) == "HEAD HEAD HEAD HEAD"

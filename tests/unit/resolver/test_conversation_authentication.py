"""How a conversation shows what a registry wants to see, and to whom it shows nothing.

CVE-2020-15157, CVE-2026-33540, CVE-2026-48978.
"""

import pytest

from imagedrift_resolver.core.conversation import Authorise, Send
from imagedrift_resolver.core.credential import IdentityToken, Password, RegistryToken, Secret
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
    lets_in,
    methods,
    shown,
    site,
)


def test_a_bearer_token_is_got_with_our_own_scope() -> None:
    """A token is requested with our own scope, not the challenge's."""
    outcome, profile, steps = ask(site(), lets_in("Bearer token-registry.example.org-1"))
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD token HEAD"
    asked = steps[1]
    assert isinstance(asked, Authorise)
    assert (asked.grant.scope, asked.grant.service) == ("repository:team/app:pull", "s")
    assert asked.grant.credential == "anonymous"
    _, _, again = ask(site(), lets_in("Bearer token-registry.example.org-1"), profile)
    assert methods(again) == "token HEAD"


@pytest.mark.parametrize("status", [401, 400])
def test_a_token_that_ended_is_renewed_once(status: int) -> None:
    """An expired token is renewed once, after a 401 or ECR Public's 400."""
    _, profile, _ = ask(site(), lets_in("Bearer token-registry.example.org-1"))

    def server(step: Send) -> Reply:
        if shown(step).endswith("-2"):
            return good()
        return Reply(status)

    outcome, _, steps = ask(site(), server, profile)
    assert isinstance(outcome, Found)
    assert methods(steps) == "token HEAD token HEAD"
    renewed = steps[2]
    assert isinstance(renewed, Authorise)
    assert renewed.refused is not None


def test_a_registry_that_is_never_content_is_asked_twice_and_no_more() -> None:
    """A fresh token that is refused is a denial."""
    outcome, _, steps = ask(site(), lambda _: challenge(BEARER))
    assert isinstance(outcome, Denied)
    assert methods(steps) == "HEAD token HEAD"


def test_basic_is_shown_where_it_is_wanted() -> None:
    """A password is sent by Basic where the challenge offers nothing better."""
    server = lets_in("Basic bWU6aHVudGVyMg==", 'Basic realm="x"')
    outcome, profile, steps = ask(site(credential=ME), server)
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD HEAD"
    assert methods(ask(site(credential=ME), server, profile)[2]) == "HEAD"


@pytest.mark.parametrize(
    ("credential", "offer"), [(ME, "Basic"), (RegistryToken(Secret("abc")), BEARER)]
)
def test_a_400_is_told_as_one_where_no_token_can_have_ended(
    credential: Password | RegistryToken, offer: str
) -> None:
    """A password has no end, so the request itself was not understood."""
    at = site(credential=credential)
    _, profile, _ = ask(at, lambda step: good() if shown(step) else challenge(offer))
    outcome, _, steps = ask(at, lambda _: Reply(400), profile)
    assert isinstance(outcome, Invalid)
    assert "answered 400" in outcome.reason
    assert methods(steps) == "HEAD GET"


def test_a_password_that_is_not_accepted_is_not_tried_again() -> None:
    """A refused password is not tried again."""
    _, profile, _ = ask(site(credential=ME), lets_in("Basic bWU6aHVudGVyMg==", "Basic"))
    outcome, _, steps = ask(site(credential=ME), lambda _: challenge("Basic"), profile)
    assert isinstance(outcome, Denied)
    assert [bool(shown(step)) for step in steps] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        f'{BEARER}, Basic realm="x"',
        f'Basic realm="x", {BEARER}',
        f"Negotiate, {BEARER}",
        f"UNKNOWN a=b, {BEARER}",
    ],
)
def test_bearer_goes_before_anything_else(text: str) -> None:
    """Bearer is preferred among several challenges."""
    outcome, _, steps = ask(site(), lets_in("Bearer token-registry.example.org-1", text))
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD token HEAD"


def test_a_registry_token_is_shown_as_it_is() -> None:
    """A configured bearer token needs no token endpoint."""
    server = lets_in("Bearer abc")
    outcome, _, steps = ask(site(credential=RegistryToken(Secret("abc"))), server)
    assert isinstance(outcome, Found)
    assert methods(steps) == "HEAD HEAD"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('Basic realm="x"', "configure a credential"),
        ("Negotiate", "do not speak: negotiate"),
        ("", "does not say what it wants"),
        ("Bearer service=x", "do not speak: bearer"),
    ],
)
def test_a_401_that_cannot_be_met_says_what_is_wanted(text: str, words: str) -> None:
    """A 401 that cannot be answered names what to configure."""
    outcome, _, _ = ask(site(), lambda _: challenge(text))
    assert isinstance(outcome, Denied)
    assert words in outcome.reason


@pytest.mark.parametrize(
    ("registry", "host", "realm"),
    [
        ("docker.io", "registry-1.docker.io", "https://auth.docker.io/token"),
        ("registry.gitlab.com", "", "https://gitlab.com/jwt/auth"),
        ("harbor.example.org", "", "https://harbor.example.org/service/token"),
        ("harbor.example.org", "", "/service/token"),
        ("gitlab.example.org:5050", "", "https://gitlab.example.org/jwt/auth"),
    ],
)
def test_known_pairs_of_hosts_may_see_the_credential(registry: str, host: str, realm: str) -> None:
    """The known token endpoints of Docker Hub and GitLab receive the credential."""
    at = site(registry, ME, host=host)
    _, _, steps = ask(at, lambda _: challenge(f'Bearer realm="{realm}",service="s"'))
    asked = steps[1]
    assert isinstance(asked, Authorise)
    assert asked.grant.credential == "me"


def test_a_foreign_realm_is_not_shown_the_credential() -> None:
    """A foreign realm does not receive the credential unless it is configured."""
    text = 'Bearer realm="https://evil.example/token"'
    outcome, _, steps = ask(site(credential=ME), lambda _: challenge(text))
    assert isinstance(outcome, Denied)
    assert 'realms = ["evil.example"]' in outcome.reason
    assert methods(steps) == "HEAD"
    allowed = site(credential=ME, realms=frozenset({"evil.example"}))
    assert methods(ask(allowed, lambda _: challenge(text))[2]) == "HEAD token HEAD"


def test_an_identity_token_is_not_shown_to_a_foreign_realm() -> None:
    """A foreign realm does not receive an identity token."""
    at = site(credential=IdentityToken(Secret("long")))
    outcome, _, _ = ask(at, lambda _: challenge('Bearer realm="https://evil.example/t"'))
    assert isinstance(outcome, Denied)


def test_an_anonymous_token_may_come_from_anywhere_public() -> None:
    """An anonymous token may come from any public host."""
    text = 'Bearer realm="https://ghcr.io/token",service="ghcr.io"'
    outcome, _, _ = ask(site("lscr.io"), lets_in("Bearer token-ghcr.io-1", text))
    assert isinstance(outcome, Found)


@pytest.mark.parametrize(
    "realm",
    [
        "http://registry.example.org/token",
        "http://evil.example/token",
        "https://127.0.0.1/token",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/token",
        "https://10.0.0.1:8443/token",
        "https://2130706433/token",
    ],
)
def test_a_realm_on_an_inner_machine_or_without_tls_is_refused(realm: str) -> None:
    """A realm on an inner machine or without TLS is refused (SSRF)."""
    outcome, _, steps = ask(site(), lambda _: challenge(f'Bearer realm="{realm}"'))
    assert isinstance(outcome, Refused)
    assert methods(steps) == "HEAD"


def test_an_inner_registry_that_is_named_may_have_its_own_realm() -> None:
    """Hosts that the operator named may be private, the registry's own included, and no others."""
    at = site("10.0.0.5:5000", scheme="http", trusted=True)
    _, _, steps = ask(at, lambda _: challenge('Bearer realm="http://10.0.0.5:5001/token"'))
    asked = steps[1]
    assert isinstance(asked, Authorise)
    assert asked.trusted
    outcome, _, _ = ask(at, lambda _: challenge('Bearer realm="http://10.0.0.6/token"'))
    assert isinstance(outcome, Refused)


def test_a_realm_that_is_no_url_is_told() -> None:
    """A realm that is no valid url is reported."""
    for realm in ("ftp://x/t", "https://u:p@registry.example.org/t", "https://x y/t"):
        outcome, _, _ = ask(site(), lambda _, r=realm: challenge(f'Bearer realm="{r}"'))  # type: ignore[misc]
        assert isinstance(outcome, Invalid)

"""A provider of OpenID Connect: its configuration, and what it is asked."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from imagedrift_dashboard.core import provider as providers
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.provider import ClientRegistration, Provider, ProviderFault

ISSUER = "https://id.example.org/realms/x"
CLIENT = ClientRegistration(
    issuer=ISSUER, id="drift", secret="a:b %", url="https://drift.example.org"
)
CONFIGURATION: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth?kc=1",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "end_session_endpoint": f"{ISSUER}/logout",
    "authorization_response_iss_parameter_supported": True,
}


def provider_with(**changes: object) -> Provider:
    """Read a configuration with these changes."""
    return providers.read_provider(json.dumps(CONFIGURATION | changes).encode(), ISSUER)


def test_a_request_for_a_code_has_all_that_binds_it() -> None:
    """State, nonce, PKCE by SHA-256 and the one redirect address are in it."""
    # The example of RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    url = providers.authorization_url(
        CLIENT, provider_with(), state="s", nonce="n", verifier=verifier
    )

    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked == {
        "kc": "1",
        "response_type": "code",
        "client_id": "drift",
        "redirect_uri": "https://drift.example.org/sign-in/callback",
        "scope": "openid profile email",
        "state": "s",
        "nonce": "n",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"issuer": "https://id.example.org/realms/y"}, "calls itself"),
        ({"issuer": None}, "configuration"),
        ({"jwks_uri": "http://id.example.org/keys"}, "jwks_uri"),
        ({"token_endpoint": "http://127.0.0.1/token"}, "token_endpoint"),
        ({"token_endpoint": ""}, "token_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": "https://a@b/"}, "authorization_endpoint"),
        ({"end_session_endpoint": "https://[/"}, "end_session_endpoint"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
    ],
)
def test_a_configuration_that_cannot_be_right_is_refused(
    changes: dict[str, object], fault: str
) -> None:
    """Another issuer, an address without TLS, or no PKCE: the provider is not used."""
    with pytest.raises(ProviderFault, match=fault):
        provider_with(**changes)


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b"\xff"])
def test_a_configuration_that_is_none_is_refused(content: bytes) -> None:
    """A page of some other server is no configuration."""
    with pytest.raises(ProviderFault):
        providers.read_provider(content, ISSUER)


def test_a_provider_on_this_machine_needs_no_tls() -> None:
    """Where the issuer is on this machine, so may be its addresses."""
    home = "http://127.0.0.1:9000"
    assert providers.is_safe("http://localhost:9000/token", home)
    assert not providers.is_safe("http://192.0.2.1/token", home)


def test_the_callback_gives_the_code() -> None:
    """The provider sends back its code."""
    pairs = [("code", "c"), ("state", "s"), ("iss", ISSUER)]
    assert providers.read_callback(pairs, provider_with()) == "c"
    old = provider_with(authorization_response_iss_parameter_supported=False)
    assert providers.read_callback([("code", "c")], old) == "c"


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        ([("iss", ISSUER)], 400),
        ([("code", "a"), ("code", "b"), ("iss", ISSUER)], 400),
        ([("code", "a"), ("iss", "https://other.example.org")], 403),
        ([("code", "a")], 403),
        ([("error", "access_denied"), ("iss", ISSUER)], 403),
    ],
)
def test_a_callback_without_a_code_of_the_provider_is_refused(
    pairs: list[tuple[str, str]], status: int
) -> None:
    """No code, two codes, or one of another provider: nobody is signed in."""
    with pytest.raises(PageFault) as refused:
        providers.read_callback(pairs, provider_with())
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("secret", "ways", "in_header", "in_form"),
    [
        ("a:b %", ["client_secret_basic", "client_secret_post"], True, False),
        ("a:b %", ["client_secret_post"], False, True),
        ("a:b %", ["private_key_jwt"], True, False),
        ("", ["client_secret_basic"], False, False),
    ],
)
def test_the_secret_is_sent_in_the_way_that_the_provider_takes(
    secret: str, ways: list[str], in_header: bool, in_form: bool
) -> None:
    """In the header where it can be, escaped; in the form where only that is taken."""
    client = ClientRegistration(
        issuer=ISSUER, id="drift", secret=secret, url="https://drift.example.org"
    )
    provider = provider_with(token_endpoint_auth_methods_supported=ways)
    headers, form = providers.token_request(client, provider, "c", "v")

    basic = b64encode(b"drift:a%3Ab+%25").decode()
    assert headers == ({"authorization": f"Basic {basic}"} if in_header else {})
    assert ("client_secret" in form) is in_form
    assert ("client_id" in form) is not in_header
    assert (form["code"], form["code_verifier"]) == ("c", "v")
    assert form["redirect_uri"] == "https://drift.example.org/sign-in/callback"


@pytest.mark.parametrize("content", [b"{}", b"", b'{"id_token": 1}', b'"secret-token"'])
def test_a_token_response_without_a_token_is_refused_without_repeating_it(content: bytes) -> None:
    """A response that cannot be read may hold a token: no part of it is told."""
    with pytest.raises(ProviderFault) as refused:
        providers.read_token(content)
    assert "secret-token" not in str(refused.value)


def test_signing_out_at_the_provider_is_offered_where_it_can_be() -> None:
    """The address names this client; without one there is none."""
    assert providers.end_session_url(CLIENT, provider_with()) == f"{ISSUER}/logout?client_id=drift"
    assert providers.end_session_url(CLIENT, provider_with(end_session_endpoint="")) == ""


@pytest.mark.parametrize(
    ("url", "is_right"),
    [
        ("https://drift.example.org", True),
        ("https://drift.example.org:8443/", True),
        ("http://127.0.0.1:8088", True),
        ("http://drift.example.org", False),
        ("https://drift.example.org/pages", False),
        ("https://a:b@drift.example.org", False),
        ("drift.example.org", False),
    ],
)
def test_the_address_of_the_pages_is_an_origin_with_tls(url: str, is_right: bool) -> None:
    """Browsers keep the cookie for https alone, and for this machine."""
    assert (providers.origin_fault(url) == "") is is_right


@pytest.mark.parametrize(
    ("url", "is_right"),
    [(ISSUER, True), ("http://id.example.org", False), (f"{ISSUER}?x=1", False)],
)
def test_an_issuer_is_an_address_with_tls(url: str, is_right: bool) -> None:
    """An issuer without TLS could be anybody."""
    assert (providers.issuer_fault(url) == "") is is_right

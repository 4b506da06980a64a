"""The sandbox registry's tokens open what they should, and its challenges say what is needed."""

import base64

import pytest

from imagedrift_sandbox.registry.auth import (
    Access,
    Auth,
    IssuedTokens,
    Scheme,
    challenges,
    decide,
    user_of,
)
from imagedrift_sandbox.registry.routes import understand

GET = understand("GET", "/v2/team/api/manifests/1.0")


BEARER = Auth(scheme=Scheme.BEARER, users={"ann": "secret"}, private=("secret/*",), lifetime_s=60)


@pytest.mark.parametrize(
    ("user", "scope", "method", "path", "access"),
    [
        ("", "repository:team/api:pull", "GET", "/v2/team/api/manifests/1", Access.GRANTED),
        ("", "repository:other:pull", "GET", "/v2/team/api/manifests/1", Access.INSUFFICIENT),
        (
            "",
            "repository:team/api:pull,push",
            "PUT",
            "/v2/team/api/manifests/1",
            Access.INSUFFICIENT,
        ),
        ("", "repository:secret/x:pull", "GET", "/v2/secret/x/manifests/1", Access.INSUFFICIENT),
        ("ann", "repository:secret/x:pull", "GET", "/v2/secret/x/manifests/1", Access.GRANTED),
        ("ann", "repository:team/api:pull,push", "PUT", "/v2/team/api/manifests/1", Access.GRANTED),
        ("ann", "registry:catalog:*", "GET", "/v2/team/api/manifests/1", Access.INSUFFICIENT),
        ("", "", "GET", "/v2/", Access.GRANTED),
    ],
)
def test_a_token_opens_what_its_scope_and_user_allow(
    user: str, scope: str, method: str, path: str, access: Access
) -> None:
    """Pull is open to all but for private repositories; push is for users."""
    tokens = IssuedTokens()
    token = tokens.give(BEARER, user, [scope], now=0)

    assert decide(BEARER, tokens, understand(method, path), f"Bearer {token}", 1).access is access


def test_a_token_ends() -> None:
    """A token is expired after its lifetime, and when all are made to expire; never unknown."""
    tokens = IssuedTokens()
    scopes = ["repository:team/api:pull"]
    token = f"Bearer {tokens.give(BEARER, '', scopes, now=0)}"

    assert decide(BEARER, tokens, GET, token, 59.9).access is Access.GRANTED
    assert decide(BEARER, tokens, GET, token, 60).access is Access.EXPIRED
    tokens.expire_all()
    assert decide(BEARER, tokens, GET, token, 1).access is Access.EXPIRED


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer unknown", "Basic x", "Nonsense"])
def test_anything_but_a_token_is_challenged(header: str | None) -> None:
    """Requests without a known token get the challenge."""
    assert decide(BEARER, IssuedTokens(), GET, header, 0).access is Access.CHALLENGE


@pytest.mark.parametrize(
    ("text", "user"),
    [("ann:secret", "ann"), ("ann:wrong", None), ("bob:secret", None), ("", None)],
)
def test_basic_credentials_are_checked(text: str, user: str | None) -> None:
    """Only the right password of a known user passes."""
    assert user_of(BEARER, base64.b64encode(text.encode()).decode()) == user


def test_basic_credentials_that_are_no_base64_are_wrong() -> None:
    """Garbage in place of credentials is nobody."""
    assert user_of(BEARER, "%%%") is None


def test_a_challenge_names_realm_service_and_scope() -> None:
    """The challenge of a pull asks for pull alone; odd challenges are sent as they are given."""
    odd = Auth(scheme=Scheme.BEARER, challenges=("Negotiate", 'bearer  realm="{realm}"'))

    assert challenges(BEARER, GET, "http://r/token", Access.CHALLENGE) == [
        'Bearer realm="http://r/token",service="sandbox",scope="repository:team/api:pull"'
    ]
    assert challenges(odd, GET, "http://r/token", Access.CHALLENGE) == [
        "Negotiate",
        'bearer  realm="http://r/token"',
    ]

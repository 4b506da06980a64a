"""Tokens: what is asked of a token endpoint, and what is made of its answer."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.credential import Anonymous, IdentityToken, Password, Secret
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.token import (
    Grant,
    Token,
    pull_scope,
    read_token,
    request_for,
    scope_of,
)
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.v1 import Denied, Invalid, Limited, Unreachable

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
REALM = Url("https", "auth.example.org", 443, "/token")
GRANT = Grant(REALM, "registry.example.org", scope_of("team/app"), "x")


def answer(**document: Any) -> Reply:
    """A good response."""
    return Reply(200, {}, json.dumps(document).encode())


def query(url: Url) -> dict[str, list[str]]:
    """The parameters of a url."""
    return parse_qs(urlsplit(str(url)).query)


def test_an_anonymous_request_shows_nothing() -> None:
    """An anonymous request for a token has no Authorization header."""
    request = request_for(GRANT, Anonymous())
    assert (request.method, request.authorization, request.form) == ("GET", None, None)
    assert query(request.url) == {
        "service": ["registry.example.org"],
        "scope": ["repository:team/app:pull"],
        "client_id": ["imagedrift"],
    }


def test_a_password_is_shown_in_a_get_with_basic() -> None:
    """A password is sent in a GET with Basic, with any characters."""
    request = request_for(GRANT, Password("ns+robot$1", Secret("pw")))
    assert request.method == "GET"
    assert request.authorization is not None
    assert request.authorization.reveal() == "Basic bnMrcm9ib3QkMTpwdw=="
    assert query(request.url)["account"] == ["ns+robot$1"]
    assert "pw" not in str(request.url)


def test_an_identity_token_is_shown_in_a_post() -> None:
    """An identity token is sent in a POST, and never in a url."""
    request = request_for(GRANT, IdentityToken(Secret("long/token")))
    assert (request.method, request.url) == ("POST", REALM)
    assert request.form is not None
    assert parse_qs(request.form.reveal()) == {
        "grant_type": ["refresh_token"],
        "service": ["registry.example.org"],
        "scope": ["repository:team/app:pull"],
        "client_id": ["imagedrift"],
        "refresh_token": ["long/token"],
    }


def test_a_realm_with_a_query_keeps_it() -> None:
    """A realm's own query is kept."""
    realm = Url("https", "x.example", 443, "/t?account=a")
    request = request_for(Grant(realm, "", "s", "x"), Anonymous())
    assert request.url.target == "/t?account=a&scope=s&client_id=imagedrift"


@pytest.mark.parametrize(
    ("document", "life"),
    [
        ({"token": "t", "expires_in": 300}, 300),
        ({"access_token": "t", "expires_in": 300}, 300),
        ({"token": "t", "access_token": "u"}, 60),
        ({"token": "t", "expires_in": "300"}, 300),
        ({"token": "t", "expires_in": 5}, 60),
        ({"token": "t", "expires_in": -1}, 60),
        ({"token": "t", "expires_in": 0, "issued_at": "2001-01-01T00:00:00Z"}, 60),
        ({"access_token": "t", "issued_at": "2099-01-01T00:00:00Z"}, 60),
        ({"token": "t", "expires_in": None}, 60),
        ({"token": "t", "expires_in": True}, 60),
        ({"token": "t", "expires_in": 10**400}, 60),
        ({"token": "t", "expires_in": 1e300}, 3600),
        ({"token": "t", "expires_in": []}, 60),
    ],
)
def test_a_token_is_used_for_most_of_its_life(document: dict[str, Any], life: float) -> None:
    """A token is used for most of its lifetime, at most an hour."""
    token = read_token(answer(**document), NOW)
    assert isinstance(token, Token)
    assert token.value.reveal() == "t"
    assert token.use_until == NOW + timedelta(seconds=0.8 * life)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(token=""), Invalid),
        (answer(token=7), Invalid),
        (answer(token="two words"), Invalid),
        (answer(token="a\r\nX-Evil: 1"), Invalid),
        (answer(token="a" * 20_000), Invalid),
        (answer(), Invalid),
        (Reply(200, {}, b"[]"), Invalid),
        (Reply(200, {}, b"<html>"), Invalid),
        (Reply(200, {}, b'{"token":"t"}', True), Invalid),
        (Reply(302, {"location": ("http://evil",)}), Invalid),
        (Reply(401), Denied),
        (Reply(403), Denied),
        (Reply(400), Denied),
        (Reply(429, {"retry-after": ("5",)}), Limited),
        (Reply(500), Unreachable),
        (NoResponse("closed", "no connection"), Unreachable),
    ],
)
def test_no_token_is_told_with_a_reason(reply: Reply | NoResponse, expected: type) -> None:
    """A response without a usable token has a reason."""
    failed = read_token(reply, NOW)
    assert isinstance(failed, expected)
    assert not isinstance(failed, Token)
    assert failed.reason.startswith("token endpoint: ")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_does_not_blame_a_credential_that_was_not_shown(status: int) -> None:
    """A refusal of a token blames no credential that was not sent."""
    without = read_token(Reply(status), NOW, shown=False)
    refused = read_token(Reply(status), NOW, shown=True)
    assert isinstance(without, Denied)
    assert "configure a credential" in without.reason
    assert isinstance(refused, Denied)
    assert "the credential is not accepted" in refused.reason


@given(st.integers(0, 999), st.binary(max_size=300), st.booleans(), st.booleans())
def test_no_answer_raises(status: int, body: bytes, cut: bool, shown: bool) -> None:
    """Any response of a token endpoint is a token or a failure."""
    read = read_token(Reply(status, {}, body, cut), NOW, shown=shown)

    assert isinstance(read, (Token, Denied, Invalid, Limited, Unreachable))


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("repository:node:pull", "repository:node:pull"),
        ("repository:team/app:pull,push", "repository:team/app:pull"),
        ("repository:team/app:*", "repository:team/app:pull"),
        ("registry:catalog:*", ""),
        ("repository:a:pull repository:b:pull", ""),
        ("repository:A\r\nX: 1:pull", ""),
        ("repository:" + "a" * 300 + ":pull", ""),
        ("", ""),
    ],
)
def test_a_scope_of_a_challenge_is_for_reading_one_repository_or_none(
    text: str, scope: str
) -> None:
    """Text of a stranger is not put into a request as it is."""
    assert pull_scope(text) == scope

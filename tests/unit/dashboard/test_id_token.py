"""ID tokens: who made one, for whom, and when."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from imagedrift_dashboard.core import id_token
from imagedrift_dashboard.core.id_token import (
    ExpectedClaims,
    SignedInUser,
    TokenRefused,
    UnknownKey,
)

NOW = datetime(2026, 11, 26, 20, tzinfo=UTC)
AT: Final = int(NOW.timestamp())
RSA: Final = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC: Final = ECKey.generate_key("P-256", {"kid": "ec"})
STRANGER: Final = RSAKey.generate_key(2048, {"kid": "rsa"})
EXPECTED: Final = ExpectedClaims(
    issuer="https://id.example.org", client_id="drift", nonce="n", groups_claim="groups"
)
CLAIMS: Final[dict[str, Any]] = {
    "iss": "https://id.example.org",
    "sub": "17",
    "aud": "drift",
    "iat": AT,
    "exp": AT + 300,
    "nonce": "n",
    "preferred_username": "ada",
    "groups": ["sre", "all"],
}
KEYS: Final = id_token.read_keys(
    json.dumps({"keys": [each.as_dict(private=False) for each in (EC, RSA)]}).encode()
)


def token(key: RSAKey | ECKey = RSA, header: dict[str, Any] | None = None, **claims: object) -> str:
    """Write a token with these claims; one that is None is left out."""
    payload = {name: each for name, each in (CLAIMS | claims).items() if each is not None}
    algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
    full = {"alg": algorithm, "kid": key.kid} | (header or {})
    full = {name: each for name, each in full.items() if each is not None}
    algorithms = list(id_token.ALGORITHMS)
    registry = jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
    return jws.serialize_compact(full, json.dumps(payload), key, registry=registry)


def read(text: str) -> SignedInUser:
    """Read a token by the provider's keys."""
    return id_token.verify(text, KEYS, EXPECTED, NOW)


@pytest.mark.parametrize("key", [RSA, EC])
@pytest.mark.parametrize("header", [{}, {"kid": None}, {"x": "y"}, {"x5c": ["A" * 2000]}])
def test_a_token_names_who_signed_in(key: RSAKey | ECKey, header: dict[str, Any]) -> None:
    """A token by a key of the provider gives the name and the groups."""
    assert read(token(key, header)) == SignedInUser("ada", frozenset(("sre", "all")))


def test_a_token_by_another_key_is_refused() -> None:
    """Neither a stranger's key of the same name counts, nor a key that is not known."""
    for text in (token(STRANGER), token(header={"kid": "other"})):
        with pytest.raises(UnknownKey):
            read(text)


def test_a_key_counts_for_its_algorithm_alone() -> None:
    """A key that names an algorithm verifies no other."""
    keys = id_token.read_keys(
        json.dumps({"keys": [RSA.as_dict(private=False) | {"alg": "PS256"}]}).encode()
    )
    with pytest.raises(UnknownKey):
        id_token.verify(token(), keys, EXPECTED, NOW)
    pss = token(header={"alg": "PS256"})
    assert id_token.verify(pss, keys, EXPECTED, NOW).name == "ada"


def test_keys_that_do_not_sign_are_left_out() -> None:
    """Shared keys, keys that encrypt, and unknown or broken ones are no keys of a token."""
    shared = OctKey.generate_key(256).as_dict(private=True)
    others = [shared, RSA.as_dict() | {"use": "enc"}, {"kty": "AKP"}, {"kty": "RSA", "n": "x"}, {}]

    assert id_token.read_keys(json.dumps({"keys": others}).encode()) == ()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": ["x"]}'])
def test_keys_that_cannot_be_read_are_told(content: bytes) -> None:
    """A text that is no set of keys is refused."""
    with pytest.raises(TokenRefused):
        id_token.read_keys(content)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["drift"]},
        {"aud": ["drift", "other"], "azp": "drift"},
        {"exp": AT - 30},
        {"iat": AT + 30, "nbf": AT + 30},
        {"iat": AT - 600},
        {"exp": AT + 0.5},
    ],
)
def test_a_token_within_the_bounds_is_taken(claims: dict[str, Any]) -> None:
    """Clocks may differ by a minute, and other clients may be among the audience."""
    assert read(token(**claims)).name == "ada"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://id.example.org/"},
        {"iss": None},
        {"aud": "other"},
        {"aud": []},
        {"aud": ["drift", "other"]},
        {"aud": ["drift", "other"], "azp": "other"},
        {"azp": "other"},
        {"exp": AT - 90},
        {"exp": None},
        {"exp": "x"},
        {"nbf": AT + 90},
        {"iat": AT + 90},
        {"iat": AT - 1200},
        {"iat": None},
        {"nonce": "other"},
        {"nonce": None},
        {"sub": ""},
        {"sub": None},
    ],
)
def test_a_token_of_another_issuer_client_time_or_sign_in_is_refused(
    claims: dict[str, Any],
) -> None:
    """Each claim alone is enough to refuse a token."""
    with pytest.raises(TokenRefused):
        read(token(**claims))


@pytest.mark.parametrize("algorithm", ["none", "NONE", "HS256", "HS512", "RS1", "", None, 7, ["x"]])
def test_an_algorithm_without_a_public_key_is_refused(algorithm: object) -> None:
    """Only a signature by a public key counts, whatever stands in the header."""
    _, payload, signature = token().split(".")
    header = json.dumps({"alg": algorithm, "kid": "rsa"}).encode()
    forged = urlsafe_b64encode(header).rstrip(b"=").decode()
    for each in (signature, ""):
        with pytest.raises(TokenRefused):
            read(f"{forged}.{payload}.{each}")


@pytest.mark.parametrize(
    "header", [b'["alg"]', b'"alg"', b"[" * 6000, b'{"alg":"RS256","crit":["x"]}']
)
def test_a_header_that_is_none_is_refused(header: bytes) -> None:
    """A header of another shape, one without an end, or one that asks for more is refused."""
    _, payload, signature = token().split(".")
    forged = urlsafe_b64encode(header).rstrip(b"=").decode()
    with pytest.raises(TokenRefused):
        read(f"{forged}.{payload}.{signature}")


@given(st.text())
def test_any_text_may_come_as_a_token(text: str) -> None:
    """A text that is no token is refused, and is no defect."""
    with pytest.raises(TokenRefused):
        read(text)


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (["sre", 7, None], {"sre"}),
        ("sre", {"sre"}),
        (None, set()),
        ({"sre": True}, set()),
        (7, set()),
    ],
)
def test_groups_are_texts(claim: object, groups: set[str]) -> None:
    """A list of texts, or one text, names groups; nothing else does."""
    assert read(token(groups=claim)).groups == groups


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": None, "email": "a@example.org"}, "a@example.org"),
        ({"preferred_username": 7, "name": "Ada"}, "Ada"),
        ({"preferred_username": ""}, "17"),
        ({"preferred_username": "a\u202eb\n"}, "a\ufffdb "),
    ],
)
def test_a_name_is_the_first_text_and_is_fit_to_be_shown(claims: dict[str, Any], name: str) -> None:
    """A user is called by the first name that there is, cleaned."""
    assert read(token(**claims)).name == name

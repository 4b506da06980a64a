"""An ID token: whether the provider signed it, for us, for this sign-in, and just now.

| claim     | has to be                                                                       |
|-----------|---------------------------------------------------------------------------------|
| signature | by a public key of the provider; never `none`, never an HMAC, whose key we know |
| `iss`     | the provider                                                                    |
| `aud`     | this client among them; with others, `azp` has to be this client                |
| `exp`     | to come                                                                         |
| `iat`     | of the last 15 minutes                                                          |
| `nonce`   | that of the sign-in                                                             |
| `sub`     | there                                                                           |

Clocks may differ by a minute.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from msgspec import Struct

from imagedrift_schemas.text import cleaned

ALGORITHMS: Final = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
"""Algorithms whose verifier cannot sign, and the kind of key of each."""
SKEW: Final = timedelta(minutes=1)
OLDEST: Final = timedelta(minutes=15)
MOST_KEYS: Final = 100
MOST_GROUPS: Final = 10_000
MOST_OF_A_NAME: Final = 100
_NAMES: Final = ("preferred_username", "email", "name", "sub")

PublicKey = RSAKey | ECKey | OKPKey
_UNREADABLE: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""The exceptions of joserfc and msgspec for a text that they cannot read."""


class TokenRefused(Exception):
    """An ID token that proves nothing; its text names the fault, and no part of the token."""


class UnknownKey(TokenRefused):
    """It is signed by a key that is not among those known; the provider may have new ones."""


class SignedInUser(Struct, frozen=True):
    """A user that signed in."""

    name: str
    groups: frozenset[str]


class ExpectedClaims(Struct, frozen=True, kw_only=True):
    """The claims that the ID token of one sign-in has to have."""

    issuer: str
    client_id: str
    nonce: str
    groups_claim: str


class _Claims(Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str
    nbf: float | None = None
    azp: str | None = None


def read_keys(content: bytes) -> tuple[PublicKey, ...]:
    """Read the public keys of a provider that sign. Raises `TokenRefused`.

    A key of an unknown kind is left out, as RFC 7517 has it.
    """
    try:
        listed = msgspec.json.decode(content, type=dict[str, Any])["keys"]
        written = msgspec.convert(listed, list[dict[str, Any]])
    except _UNREADABLE:
        raise TokenRefused("the provider's keys cannot be read") from None
    found = (_key(each) for each in written[:MOST_KEYS])
    return tuple(each for each in found if each is not None)


def _key(written: dict[str, Any]) -> PublicKey | None:
    if written.get("kty") not in ALGORITHMS.values() or written.get("use", "sig") != "sig":
        return None
    try:
        key = JWKRegistry.import_key(written)
    except _UNREADABLE:
        return None
    return key if isinstance(key, PublicKey) else None


def verify(
    token: str, keys: Sequence[PublicKey], expected: ExpectedClaims, now: datetime
) -> SignedInUser:
    """Read the user that signed in from an ID token. Raises `TokenRefused`."""
    payload = _payload(token, keys)
    try:
        claims = msgspec.json.decode(payload, type=dict[str, Any])
        known = msgspec.convert(claims, _Claims)
    except _UNREADABLE:
        raise TokenRefused("a claim is missing, or of another type") from None
    if fault := _fault(known, expected, now.timestamp()):
        raise TokenRefused(fault)
    return SignedInUser(_name(claims), _groups(claims.get(expected.groups_claim)))


def _payload(token: str, keys: Sequence[PublicKey]) -> bytes:
    """Return the content of a token that one of the keys signed."""
    registry = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    registry.max_header_length = 8 * 1024  # a certificate may be in it
    try:
        header = jws.extract_compact(token.encode(), None, registry).headers()
        algorithm, name = str(header.get("alg")), header.get("kid")
    except _UNREADABLE:
        raise TokenRefused("it is no signed token") from None
    if algorithm not in ALGORITHMS:
        raise TokenRefused("it is not signed by an algorithm with a public key")
    fitting = [each for each in keys if _fits(each, algorithm, name)]
    for key in fitting:
        try:
            return jws.deserialize_compact(token, key, registry=registry).payload
        except _UNREADABLE:
            continue
    raise UnknownKey("no key of the provider signed it")


def _fits(key: PublicKey, algorithm: str, name: object) -> bool:
    is_of_kind = key.key_type == ALGORITHMS[algorithm] and key.alg in (None, algorithm)
    return is_of_kind and (name is None or key.kid == name)


def _fault(claims: _Claims, expected: ExpectedClaims, now: float) -> str:
    """Name the fault; empty when there is none."""
    skew = SKEW.total_seconds()
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if claims.iss != expected.issuer:
        return "it is of another issuer"
    if expected.client_id not in audiences:
        return "it is for another client"
    if (len(audiences) > 1 or claims.azp) and claims.azp != expected.client_id:
        return "it was asked for by another client"
    if not hmac.compare_digest(claims.nonce.encode(), expected.nonce.encode()):
        return "it is of another sign-in"
    if not claims.exp > now - skew or not (claims.nbf or 0) <= now + skew:
        return "it does not hold now"
    if not now - OLDEST.total_seconds() - skew <= claims.iat <= now + skew:
        return "it was not made just now"
    return "" if claims.sub else "it names nobody"


def _name(claims: Mapping[str, Any]) -> str:
    """Return the user's name: the first name that is a text."""
    texts = (claims.get(each) for each in _NAMES)
    return next(cleaned(each, MOST_OF_A_NAME) for each in texts if isinstance(each, str) and each)


def _groups(claim: object) -> frozenset[str]:
    listed = [claim] if isinstance(claim, str) else claim
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(each for each in listed[:MOST_GROUPS] if isinstance(each, str))

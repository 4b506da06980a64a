"""Remedies for the usual refusals of NATS, told behind the server's own words."""

from typing import Final

_REMEDIES: Final = {
    "authorization violation": "the server does not know this user with this secret",
    "permissions violation": "this user may not do that; see docs/deployment.md for who may",
    "wrong_version_number": "the server speaks no TLS: give it TLS, or write nats:// in NATS_URL",
    "certificate verify failed": "NATS_CA has to name the CA that signed the certificate of the "
    "server, and NATS_URL a name in it",
}


def with_remedy(refusal: str) -> str:
    """Return a refusal with its remedy, where it is a usual one."""
    text = refusal.lower()
    remedy = next((remedy for sign, remedy in _REMEDIES.items() if sign in text), "")
    return f"{refusal}: {remedy}" if remedy else refusal

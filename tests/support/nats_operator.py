"""A NATS operator with one account: decentralised JWT authentication, as a fleet would use it."""

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]

UNLIMITED = dict.fromkeys(("subs", "data", "payload"), -1)
ACCOUNT = (
    UNLIMITED | dict.fromkeys(("imports", "exports", "conn", "leaf"), -1) | {"wildcards": True}
)
JETSTREAM = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)


class NatsOperator:
    """Signs an account and, on demand, credentials of its users (ADR-14)."""

    def __init__(self) -> None:
        self._operator = _pair(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = _pair(nkeys.PREFIX_BYTE_ACCOUNT)
        self._system = _pair(nkeys.PREFIX_BYTE_ACCOUNT)

    @property
    def config(self) -> str:
        """The configuration of a server that trusts this operator."""
        operator = _signed(self._operator, self._operator, "operator", {})
        account = _signed(self._operator, self._account, "account", {"limits": ACCOUNT | JETSTREAM})
        system = _signed(self._operator, self._system, "account", {"limits": ACCOUNT})
        return (
            f"operator: {operator}\nsystem_account: {_public(self._system)}\nresolver: MEMORY\n"
            f"resolver_preload: {{ {_public(self._account)}: {account} \n"
            f"{_public(self._system)}: {system} }}\n"
        )

    def write_credentials(
        self, path: Path, *, expires_in_s: float | None = None, **permissions: Any
    ) -> Path:
        """Write a new user's credentials to a file, in place of what was there."""
        user = _pair(nkeys.PREFIX_BYTE_USER)
        token = _signed(self._account, user, "user", UNLIMITED | permissions, expires_in_s)
        return _credentials(path, user, token)


def _pair(prefix: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), prefix))


def _public(pair: nkeys.KeyPair) -> str:
    return str(pair.public_key.decode())


def _signed(
    issuer: nkeys.KeyPair,
    subject: nkeys.KeyPair,
    kind: str,
    says: dict[str, Any],
    expires_in_s: float | None = None,
    name: str = "",
) -> str:
    now = int(time.time())  # noqa: TID251 - the server compares it with its own
    claims: dict[str, Any] = {
        "iat": now,
        "iss": _public(issuer),
        "sub": _public(subject),
        "name": name or kind,
        "nats": says | {"type": kind, "version": 2},
    }
    if expires_in_s is not None:
        claims["exp"] = now + int(expires_in_s)
    digest = hashlib.sha256(json.dumps(claims).encode()).digest()
    claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
    parts = [_text({"typ": "JWT", "alg": "ed25519-nkey"}), _text(claims)]
    signature = issuer.sign(".".join(parts).encode())
    return ".".join([*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")])


def _text(value: dict[str, Any]) -> str:
    raw = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class ScopedFleet:
    """Two accounts, and a scoped signing key for agents: a host's credentials carry its name only.

    The services' account has JetStream and exports `subjects`; the agents' account imports them.
    """

    def __init__(self, subjects: list[str], publish: list[str], subscribe: list[str]) -> None:
        self._operator = _pair(nkeys.PREFIX_BYTE_OPERATOR)
        self._system, self._fleet, self._agents, self._scope = (
            _pair(nkeys.PREFIX_BYTE_ACCOUNT) for _ in range(4)
        )
        self._subjects = subjects
        self._template = UNLIMITED | {"pub": {"allow": publish}, "sub": {"allow": subscribe}}

    @property
    def config(self) -> str:
        """The configuration of a server."""
        shared = [{"name": each, "subject": each, "type": "service"} for each in self._subjects]
        taken = [each | {"account": _public(self._fleet)} for each in shared]
        scope = {"kind": "user_scope", "key": _public(self._scope), "template": self._template}
        accounts: dict[Any, dict[str, Any]] = {
            self._system: {"limits": ACCOUNT},
            self._fleet: {"limits": ACCOUNT | JETSTREAM, "exports": shared},
            self._agents: {"limits": ACCOUNT, "imports": taken, "signing_keys": [scope]},
        }
        signed = "\n".join(
            f"{_public(pair)}: {_signed(self._operator, pair, 'account', says)}"
            for pair, says in accounts.items()
        )
        operator = _signed(self._operator, self._operator, "operator", {})
        return (
            f"operator: {operator}\nsystem_account: {_public(self._system)}\n"
            f"resolver: MEMORY\nresolver_preload: {{ {signed} }}\n"
        )

    def agent(self, path: Path, site: str, host: str) -> Path:
        """Write the credentials of one host: no permission is in them."""
        user = _pair(nkeys.PREFIX_BYTE_USER)
        says = {"issuer_account": _public(self._agents), "tags": [f"site:{site}"]}
        return _credentials(path, user, _signed(self._scope, user, "user", says, name=host))

    def service(self, path: Path) -> Path:
        """Write credentials that may do everything in the services' account."""
        user = _pair(nkeys.PREFIX_BYTE_USER)
        return _credentials(path, user, _signed(self._fleet, user, "user", UNLIMITED))


def _credentials(path: Path, user: nkeys.KeyPair, token: str) -> Path:
    new = path.with_suffix(".new")
    new.write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n"
        "------END USER NKEY SEED------\n"
    )
    return new.rename(path)

"""`registries.toml`: what an operator says about registries, for all who speak of them.

    policy = "allow"                 # or "deny": only the registries named below are asked
    [registry."10.0.0.5:5000"]       # private and loopback addresses are refused unless named
    scheme = "http"                  # default https
    endpoint = "mirror.lan:5000"     # asked in its place, as a pull-through mirror of it
    ca = "/etc/ssl/our-ca.pem"
    max_connections = 8              # for the whole fleet of resolvers
    requests_per_second = 5          # likewise
    username = "robot$reader"
    password_file = "/run/secrets/reader"
    token_file = "/run/secrets/token"    # an identity token in place of a name and password
    realms = ["gitlab.example.org"]  # further hosts that may be shown the credential for a token
    lane = "hub"
    proxy = "http://proxy.lan:3128"  # or "none", or the path of a file that holds the url
    client_cert = "/etc/ssl/me.pem"  # shown to it and where its tokens come from
    client_key = "/etc/ssl/me.key"
    storage_hosts = ["minio.lan:9000"]  # inner hosts that it may redirect to
    timeout = "30s"                  # for a connection, and for a whole response
    [registry."quay.io/org-a"]       # credentials of one organisation: see `path_tables`
    username = "org-a+robot"
    password_file = "/run/secrets/org-a"

Rules:
- Every fault is told at once, with its key and line. No value is repeated: it may be a secret.
- A secret stands in a file of its own, read when it is needed, so that it can be rotated.
- Lanes: a family of public registries has one (`FAMILIES`); a limit of its own gives a registry a
  lane named after it, unless `lane` says otherwise; all else shares `other`. A lane's slots are
  the sum of its registries' `max_connections`, `LANE_SLOTS` where nothing is configured.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from imagedrift_runtime.file_faults import unreadable
from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_runtime.registries.path_tables import (
    PathCredential,
    longest,
    path_faults,
    with_labels,
)
from imagedrift_runtime.registries.registry import Registry, entry_faults, host_fault
from imagedrift_runtime.settings import SettingsFault
from imagedrift_schemas import subjects
from imagedrift_schemas.registry_name import RegistryName
from imagedrift_schemas.toml_lines import TomlLines

__all__ = [
    "Registries",
    "RegistriesFault",
    "Registry",
    "load",
    "parse",
    "read_secret",
    "registry_name",
]

FAMILIES: Final = (
    (re.compile(r"docker\.io"), "hub"),
    (re.compile(r"ghcr\.io|lscr\.io"), "ghcr"),
    (re.compile(r"quay\.io"), "quay"),
    (re.compile(r"public\.ecr\.aws|.+\.dkr\.ecr\..+\.amazonaws\.com(\.cn)?"), "ecr"),
)
OTHER: Final = "other"
SHARED: Final = frozenset({"ecr", OTHER})
"""Lanes of registries that have nothing to do with each other."""
PACED_S: Final = 5.0


class RegistriesFault(SettingsFault):
    """Every fault of `registries.toml`, one line each, with the file, line and key."""


class Registries(Struct, frozen=True, kw_only=True):
    """The file as a whole. Registries are known by `ImageReference.registry`."""

    policy: Literal["allow", "deny"] = "allow"
    named: dict[str, Registry] = {}
    paths: dict[str, dict[str, PathCredential]] = {}
    """Credentials that hold for a part of a registry: by registry, then by path."""

    def of(self, registry: str) -> Registry:
        """Return the configuration of a registry, or the defaults."""
        return self.named.get(registry, _DEFAULT)

    def credential_of(self, registry: str, repository: str) -> PathCredential | None:
        """Return the credential of the longest path that a repository lies in, if there is one."""
        return longest(self.paths.get(registry, {}), repository)

    def is_named(self, registry: str) -> bool:
        """Tell whether the operator named this registry, private addresses included."""
        return registry in self.named

    def allowed(self, registry: str) -> bool:
        """Tell whether the policy lets this registry be asked at all."""
        return self.policy == "allow" or registry in self.named

    def lane_of(self, registry: str) -> str:
        """Return the lane in which questions to a registry wait."""
        entry = self.of(registry)
        if entry.lane:
            return entry.lane
        if entry.max_connections or entry.requests_per_second:
            return registry.lower()
        return next((lane for kind, lane in FAMILIES if kind.fullmatch(registry)), OTHER)

    def owns_lane(self, registry: str) -> bool:
        """Tell whether nobody but this registry and its own family waits in its lane."""
        lane = self.lane_of(registry)
        sharing = [name for name in self.named if self.lane_of(name) == lane]
        return lane not in SHARED and all(name == registry for name in sharing)

    def lanes(self) -> dict[str, int]:
        """Return every lane with its slots, the concurrency of the whole fleet in it."""
        configured: dict[str, int] = {}
        for registry, entry in self.named.items():
            lane = self.lane_of(registry)
            configured[lane] = configured.get(lane, 0) + _slots(entry)
        names = dict.fromkeys((*subjects.LANES, *configured))
        return {lane: configured.get(lane) or LANE_SLOTS for lane in names}


_DEFAULT: Final = Registry()


def _slots(entry: Registry) -> int:
    """Return how many questions may be under way: with a pace, what is done within seconds."""
    if entry.max_connections or entry.requests_per_second is None:
        return entry.max_connections or 0
    return max(1, min(LANE_SLOTS, round(PACED_S * entry.requests_per_second)))


def load(path: str | None) -> Registries:
    """Read the file; without one, the defaults. Raises `RegistriesFault` naming every fault."""
    if not path:
        return Registries()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        fault = f"IMAGEDRIFT_REGISTRIES: {path}: cannot be read: {reason}"
        raise RegistriesFault([fault]) from error
    return parse(text, path)


def parse(text: str, name: str = "registries.toml") -> Registries:
    """Read the text of a file called `name`. Raises `RegistriesFault` naming every fault."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RegistriesFault([f"{name}: no TOML: {error}"]) from error
    found = _Faults(name, text)
    for key in tables.keys() - {"policy", "registry"}:
        found.add((key,), 'unknown key; there are policy and [registry."host"] tables')
    if tables.get("policy", "allow") not in ("allow", "deny"):
        found.add(("policy",), 'write "allow" or "deny"')
    named, paths = _named(tables.get("registry", {}), found)
    if found.lines:
        raise RegistriesFault(found.lines)
    return Registries(policy=tables.get("policy", "allow"), named=named, paths=paths)


def registry_name(host: str) -> str:
    """Return the one name under which a registry is known: `index.docker.io` is `docker.io`."""
    return RegistryName.parse(host).text


def read_secret(path: str) -> str:
    """Read a secret from its file, a last line break left out. Raises `RegistriesFault`."""
    try:
        secret = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistriesFault([f"password_file or token_file: {unreadable(path, error)}"]) from None
    if not secret:
        raise RegistriesFault([f"password_file or token_file: {path!r} is empty"])
    return secret


class _Faults:
    """Collects faults, each with its place in the text."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._key_lines = TomlLines(text)
        self.lines: list[str] = []

    def add(self, path: tuple[str, ...], why: str) -> None:
        """Note a fault of the key at `path`."""
        self.lines.append(f"{self._name}:{self._key_lines.of(path)}: {'.'.join(path)}: {why}")


def _named(
    tables: Any, found: _Faults
) -> tuple[dict[str, Registry], dict[str, dict[str, PathCredential]]]:
    """Read all tables, those of registries and those of paths; faults go to `found`."""
    entries: dict[str, Registry] = {}
    paths: dict[str, dict[str, PathCredential]] = {}
    if not isinstance(tables, Mapping) or not all(isinstance(t, Mapping) for t in tables.values()):
        found.add(("registry",), 'write one table per registry: [registry."host:port"]')
        return entries, paths
    for name, table in tables.items():
        host, slash, path = name.partition("/")
        known = (path in paths.get(_name(host), {})) if slash else _name(host) in entries
        wrong = _name_fault(host, table) or (known and "named twice") or ""
        faults = path_faults(host, path, table) if slash else entry_faults(table)
        problems = [("", wrong)] if wrong else list(faults)
        for key, why in problems:
            found.add(("registry", name, key) if key else ("registry", name), why)
        if problems:
            continue
        if slash:
            here = paths.setdefault(_name(host), {})
            here[path] = msgspec.convert({**table, "path": path}, PathCredential)
        else:
            entries[_name(host)] = msgspec.convert(table, Registry)
    for host in paths:
        entries.setdefault(host, _DEFAULT)
    return entries, {host: with_labels(entries[host], here) for host, here in paths.items()}


def _name_fault(host: str, table: Mapping[str, Any]) -> str:
    """Return the fault of a table's name, or nothing."""
    fault = host_fault(host)
    whole = _whole_name(host, table)
    return f'write the name in quotes: [registry."{whole}"]' if fault and whole != host else fault


def _whole_name(name: str, table: Mapping[str, Any]) -> str:
    """Return a name as it was meant: without quotes TOML reads a table in a table at each dot."""
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            return _whole_name(f"{name}.{key}", inner)
    return name


def _name(host: str) -> str:
    """Return the one name of a host; a text that is no host has none, and is reported elsewhere."""
    return "" if host_fault(host) else registry_name(host)

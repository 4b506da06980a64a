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

Rules:
- Every fault is told at once, with its key and line. No value is repeated: it may be a secret.
- A secret stands in a file of its own, read when it is needed, so that it can be rotated.
- Lanes: a family of public registries has one (`FAMILIES`); a limit of its own gives a registry a
  lane named after it, unless `lane` says otherwise; all else shares `other`. A lane's slots are
  the sum of its registries' `max_connections`, `LANE_SLOTS` where nothing is configured.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from imagedrift_runtime.settings import SettingsFault
from imagedrift_runtime.streams import LANE_SLOTS
from imagedrift_schemas import subjects
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference

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
_LANE: Final = r"^[a-z0-9][a-z0-9_.:-]{0,99}$"
_HEADER: Final = re.compile(r"""\s*\[\s*registry\s*\.\s*["']?(?P<name>[^"'\]]*)["']?\s*\]""")


class RegistriesFault(SettingsFault):
    """Every fault of `registries.toml`, one line each, with the file, line and key."""


class Registry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is configured for one registry; the defaults are what holds for any other."""

    scheme: Literal["https", "http"] = "https"
    endpoint: str = ""
    ca: str = ""
    max_connections: Annotated[int, Meta(ge=1, le=1000)] | None = None
    requests_per_second: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    username: str = ""
    password_file: str = ""
    token_file: str = ""
    realms: tuple[str, ...] = ()
    lane: Annotated[str, Meta(pattern=_LANE)] | None = None


class Registries(Struct, frozen=True, kw_only=True):
    """The file as a whole. Registries are known by `ImageReference.registry`."""

    policy: Literal["allow", "deny"] = "allow"
    named: dict[str, Registry] = {}

    def of(self, registry: str) -> Registry:
        """Return what is configured for a registry, or the defaults."""
        return self.named.get(registry, _DEFAULT)

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
        raise RegistriesFault([f"{path}: cannot be read: {reason}"]) from error
    return parse(text, path)


def parse(text: str, name: str = "registries.toml") -> Registries:
    """Read the text of a file called `name`. Raises `RegistriesFault` naming every fault."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RegistriesFault([f"{name}: no TOML: {error}"]) from error
    found = _Faults(name, text)
    for key in tables.keys() - {"policy", "registry"}:
        found.add((key,), 'unknown key; there are policy and [registry."host"] tables')
    if tables.get("policy", "allow") not in ("allow", "deny"):
        found.add(("policy",), 'write "allow" or "deny"')
    named = _named(tables.get("registry", {}), found)
    if found.lines:
        raise RegistriesFault(found.lines)
    return Registries(policy=tables.get("policy", "allow"), named=named)


def registry_name(host: str) -> str:
    """Return the one name under which a registry is known: `index.docker.io` is `docker.io`."""
    return ImageReference.parse(f"{host}/a/b").registry


def read_secret(path: str) -> str:
    """Read a secret from its file, a last line break left out. Raises `RegistriesFault`."""
    try:
        secret = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        raise RegistriesFault([f"{path}: this secret cannot be read: {reason}"]) from None
    if not secret:
        raise RegistriesFault([f"{path}: this secret is empty"])
    return secret


class _Faults:
    """Collects faults, each with its place in the text."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self.lines: list[str] = []

    def add(self, path: tuple[str, ...], why: str) -> None:
        """Note what is wrong with the key at `path`."""
        self.lines.append(f"{self._name}:{_line_of(self._text, path)}: {'.'.join(path)}: {why}")


def _named(tables: Any, found: _Faults) -> dict[str, Registry]:
    """Read the tables of all registries; what is wrong goes to `found`."""
    entries: dict[str, Registry] = {}
    if not isinstance(tables, Mapping) or not all(isinstance(t, Mapping) for t in tables.values()):
        found.add(("registry",), 'write one table per registry: [registry."host:port"]')
        return entries
    for host, table in tables.items():
        wrong = _host_fault(host) or (registry_name(host) in entries and "named twice") or ""
        problems = [((), wrong)] if wrong else [((key,), why) for key, why in _entry_faults(table)]
        for key, why in problems:
            found.add(("registry", host, *key), why)
        if not problems:
            entries[registry_name(host)] = msgspec.convert(table, Registry)
    return entries


def _host_fault(host: str) -> str:
    try:
        reads_back = ImageReference.parse(f"{host}/a/b").path == "a/b"
    except BadReference:
        reads_back = False
    return "" if reads_back else "write a registry's host, with a port where there is one"


def _is_address(endpoint: str) -> bool:
    port = endpoint.rpartition("]")[2].rpartition(":")[2] if ":" in endpoint else "443"
    named = port if port.isdigit() else "443"  # an IPv6 address without a port
    return not _host_fault(endpoint) and 1 <= int(named) <= 65535


def _entry_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) for one registry's table."""
    known = Registry.__struct_fields__
    for key, value in table.items():
        if key in ("password", "token"):
            yield key, f"a secret has no place here: name a file that holds it as {key}_file"
        elif key not in known:
            yield key, f"unknown key; there are {', '.join(known)}"
        else:
            try:
                msgspec.convert({key: value}, Registry)
            except msgspec.ValidationError as error:
                yield key, str(error).partition(" - at")[0]
    endpoint = table.get("endpoint")
    if isinstance(endpoint, str) and endpoint and not _is_address(endpoint):
        yield "endpoint", "write a host, with a port from 1 to 65535 where there is one"
    if table.get("username") and not table.get("password_file"):
        yield "username", "needs password_file"
    if table.get("password_file") and not table.get("username"):
        yield "password_file", "needs username"
    if table.get("password_file") and table.get("token_file"):
        yield "token_file", "either this or username and password_file"


def _line_of(text: str, path: tuple[str, ...]) -> int:
    """Find the line of a key, as near as can be told without a parser that keeps lines."""
    inside, best = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            inside = header["name"].strip()
            if path[:2] == ("registry", inside):
                best = number
        key = line.partition("=")[0].strip().strip("\"'")
        if key == path[-1] and (len(path) == 1 or path[1] == inside):
            return number
    return best

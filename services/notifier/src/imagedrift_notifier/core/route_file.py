"""The file of routes: its keys, and what can be wrong with each.

    page = "https://drift.example.org"         # of the dashboard, for links
    [route.ops]
    apprise_file = "/run/secrets/ops-chat"     # a file with an address that Apprise knows
    gather = "30s"                             # see `schedule` for the time of a message
    site = ["fra1"]                            # only hosts of these sites
    place = ["dc1/rack-2"]                     # at these places, or inside them
    label = { env = "prod" }                   # with all of these labels
    registry = ["docker.io"]                   # only images of these registries
    verdict = ["outdated", "missing"]          # default: outdated
    versions = true                            # newer versions that decisions ask for
    errors = false                             # registries that cannot be asked
    backlog = false                            # also what was due before the route was made
    [route.weekly]
    webhook_file = "/run/secrets/hook"         # a file with a URL
    secret_file = "/run/secrets/hook-key"      # its signing key, as whsec_…
    digest = "0 8 * * MON"

Every fault is told at once, with its line and key. No value is repeated: it may be a secret.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from imagedrift_notifier.core.route import Channel, HostFilter, Kind, MessageRoute, Routes
from imagedrift_notifier.core.schedule import (
    MOST_QUIET,
    RouteSchedule,
    cron_fault,
    gather_span,
    leaves_time,
    quiet_span,
)
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.registry_name import RegistryName
from imagedrift_schemas.subjects import is_host_id

MOST_ROUTES: Final = 50
MOST_ITEMS: Final = 100
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HEADER: Final = re.compile(r"""\s*\[\s*route\s*\.\s*["']?(?P<name>[^"'\]\s]*)["']?\s*\]""")
_SECRETS: Final = ("address", "apprise", "key", "password", "secret", "token", "url", "webhook")

Texts = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=1000)], ...], Meta(max_length=MOST_ITEMS)
]
Path = Annotated[str, Meta(min_length=1, max_length=4000)]


class RouteTable(Struct, frozen=True, kw_only=True):
    """The keys of one route's table."""

    apprise_file: Path = ""
    webhook_file: Path = ""
    secret_file: Path = ""
    digest: Annotated[str, Meta(min_length=1, max_length=200)] = ""
    gather: str = "30s"
    quiet: Annotated[tuple[str, ...], Meta(max_length=MOST_QUIET)] = ()
    zone: str = "UTC"
    site: Texts = ()
    place: Texts = ()
    label: Annotated[dict[str, str], Meta(max_length=MOST_ITEMS)] = {}
    registry: Texts = ()
    verdict: Annotated[tuple[Literal["outdated", "missing"], ...], Meta(max_length=2)] = (
        "outdated",
    )
    versions: bool = True
    errors: bool = False
    backlog: bool = False


_KINDS: Final = get_type_hints(RouteTable, include_extras=True)


class _Faults:
    """Collects faults, each with its line and key."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self.lines: list[str] = []

    def add(self, route: str, key: str, why: str) -> None:
        """Note the fault of a key, of a route or of the file."""
        path = ".".join(filter(None, ["route" if route else "", route, key]))
        self.lines.append(f"{self._name}:{_line_of(self._text, route, key)}: {path}: {why}")


def parse(text: str, name: str = "routes.toml") -> tuple[Routes, list[str]]:
    """Read the text of a file called `name`: the routes, or every fault."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return Routes(), [f"{name}: no TOML: {error}"]
    found = _Faults(name, text)
    for key in tables.keys() - {"page", "route"}:
        found.add("", key, "unknown key; there are page and [route.NAME] tables")
    page = tables.get("page", "")
    if fault := _page_fault(page):
        found.add("", "page", fault)
    routes = {route.name: route for route in _routes(tables.get("route", {}), found)}
    if found.lines:
        return Routes(), found.lines
    return Routes(page=page.rstrip("/"), routes=routes), []


def _routes(tables: Any, found: _Faults) -> Iterator[MessageRoute]:
    if not isinstance(tables, Mapping) or not all(isinstance(t, Mapping) for t in tables.values()):
        found.add("", "route", "write one table per route: [route.NAME]")
        return
    if len(tables) > MOST_ROUTES:
        found.add("", "route", f"{len(tables)} routes; there may be {MOST_ROUTES}")
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            found.add(name, "", "a name has lower-case letters, digits, - and _, 63 at most")
            continue
        faults = [*_type_faults(table)] or [*_faults(msgspec.convert(table, RouteTable))]
        for key, why in faults:
            found.add(name, key, why)
        if not faults:
            yield _route(name, msgspec.convert(table, RouteTable))


def _type_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, fault) for keys that are unknown, or whose values are of no use."""
    for key, value in table.items():
        if key in _KINDS:
            try:
                msgspec.convert(value, _KINDS[key])
            except msgspec.ValidationError as error:
                yield key, _named(str(error).partition(" - at")[0])
        elif key in _SECRETS:
            yield key, f"a secret has no place here: name a file that holds it as {key}_file"
        else:
            yield key, f"unknown key; there are {', '.join(_KINDS)}"


def _named(error: str) -> str:
    """Name the wanted type, without the value that was found."""
    if error.startswith("Invalid enum value"):
        return "write a list of outdated and missing"
    return error.replace("`array`", "a list").replace("`object`", "a table")


def _faults(table: RouteTable) -> Iterator[tuple[str, str]]:
    if bool(table.apprise_file) == bool(table.webhook_file):
        yield "", "a route has apprise_file or webhook_file, one of them"
    elif table.webhook_file and not table.secret_file:
        yield "webhook_file", "a webhook is signed: name the file of its key as secret_file"
    elif table.apprise_file and table.secret_file:
        yield "secret_file", "only a webhook is signed"
    if not (table.verdict or table.versions or table.errors):
        yield "verdict", "this route tells nothing: name a verdict, versions or errors"
    yield from _filter_faults(table)
    yield from _time_faults(table)


def _filter_faults(table: RouteTable) -> Iterator[tuple[str, str]]:
    if not all(map(is_host_id, table.site)):
        yield "site", "a site has lower-case letters, digits and -"
    if not all(place.strip("/") for place in table.place):
        yield "place", "write a place, as dc1/rack-2"
    if not all(map(_is_registry, table.registry)):
        yield "registry", "write a registry's host, as docker.io, with a port where there is one"


def _time_faults(table: RouteTable) -> Iterator[tuple[str, str]]:
    if table.digest and (fault := cron_fault(table.digest)):
        yield "digest", fault
    if gather_span(table.gather) is None:
        yield "gather", "write a span up to 1h, as 30s or 5m"
    spans = [quiet_span(each) for each in table.quiet]
    if None in spans:
        yield "quiet", "write spans of the day, as 22:00-07:00"
    elif not leaves_time(filter(None, spans)):
        yield "quiet", "these leave no time of the day"
    if not _is_zone(table.zone):
        yield "zone", "write a time zone, as Europe/Berlin or UTC"


def _route(name: str, table: RouteTable) -> MessageRoute:
    channel: Channel = "apprise" if table.apprise_file else "webhook"
    gather = gather_span(table.gather)
    assert gather is not None  # `_time_faults` has read it
    return MessageRoute(
        name=name,
        channel=channel,
        address_file=table.apprise_file or table.webhook_file,
        secret_file=table.secret_file,
        schedule=RouteSchedule(
            digest=table.digest,
            gather=gather,
            quiet=tuple(filter(None, map(quiet_span, table.quiet))),
            zone=table.zone,
        ),
        hosts=HostFilter(
            sites=table.site,
            places=tuple(place.strip("/") for place in table.place),
            labels=table.label,
        ),
        registries=tuple(dict.fromkeys(RegistryName.parse(each).text for each in table.registry)),
        kinds=_kinds(table),
        backlog=table.backlog,
    )


def _kinds(table: RouteTable) -> tuple[Kind, ...]:
    kinds: list[Kind] = [*table.verdict]
    if table.versions:
        kinds.append("version")
    if table.errors:
        kinds.append("error")
    return tuple(dict.fromkeys(kinds))


def _is_registry(text: str) -> bool:
    try:
        RegistryName.parse(text)
    except BadReference:
        return False
    return True


def _is_zone(text: str) -> bool:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _page_fault(page: object) -> str:
    wanted = "write the address of the pages, as https://drift.example.org"
    if not isinstance(page, str) or len(page) > 1000 or not page.isprintable():
        return wanted
    try:
        parts = urlsplit(page)
    except ValueError:
        return wanted
    is_one = parts.scheme in ("http", "https") and parts.hostname and not parts.query
    return "" if not page or (is_one and "@" not in parts.netloc and not parts.fragment) else wanted


def _line_of(text: str, route: str, key: str) -> int:
    """Find the line of a key, as near as can be told without a parser that keeps lines."""
    inside, best = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            inside = header["name"]
            if inside == route:
                best = number
        elif key and inside == route and line.partition("=")[0].strip().strip("\"'") == key:
            return number
    return best

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
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from imagedrift_notifier.core.route import Channel, HostFilter, MessageRoute, Routes, TopicKind
from imagedrift_notifier.core.route_table import RouteTable, table_faults
from imagedrift_notifier.core.schedule import RouteSchedule, gather_span, quiet_span
from imagedrift_schemas.registry_name import RegistryName
from imagedrift_schemas.toml_lines import TomlLines

MOST_ROUTES: Final = 50
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class _Faults:
    """Collects faults, each with its line and key."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._key_lines = TomlLines(text)
        self.lines: list[str] = []

    def add(self, route: str, key: str, why: str) -> None:
        """Note the fault of a key, of a route or of the file."""
        path = tuple(filter(None, ["route" if route else "", route, key]))
        self.lines.append(f"{self._name}:{self._key_lines.of(path)}: {'.'.join(path)}: {why}")


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
        faults = [*table_faults(table)]
        for key, why in faults:
            found.add(name, key, why)
        if not faults:
            yield _route(name, msgspec.convert(table, RouteTable))


def _route(name: str, table: RouteTable) -> MessageRoute:
    channel: Channel = "apprise" if table.apprise_file else "webhook"
    gather = gather_span(table.gather)
    assert gather is not None  # `table_faults` has read it
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


def _kinds(table: RouteTable) -> tuple[TopicKind, ...]:
    kinds: list[TopicKind] = [*table.verdict]
    if table.versions:
        kinds.append("version")
    if table.errors:
        kinds.append("error")
    return tuple(dict.fromkeys(kinds))


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

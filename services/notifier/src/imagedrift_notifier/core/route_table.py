"""One route's table in the file of routes: its keys, and what is to be written for each.

No fault repeats a value: it may be a secret.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from imagedrift_notifier.core.schedule import (
    MOST_QUIET,
    cron_fault,
    gather_span,
    leaves_time,
    quiet_span,
)
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.registry_name import RegistryName
from imagedrift_schemas.subjects import is_host_id

MOST_ITEMS: Final = 100
Texts = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=1000)], ...],
    Meta(min_length=1, max_length=MOST_ITEMS),
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
    label: Annotated[dict[str, str], Meta(min_length=1, max_length=MOST_ITEMS)] = {}
    registry: Texts = ()
    verdict: Annotated[tuple[Literal["outdated", "missing"], ...], Meta(max_length=2)] = (
        "outdated",
    )
    versions: bool = True
    errors: bool = False
    backlog: bool = False


_KINDS: Final = get_type_hints(RouteTable, include_extras=True)
_CHANNEL: Final = ("apprise_file", "webhook_file", "secret_file")
_SECRETS: Final = {
    "apprise": "apprise_file",
    **dict.fromkeys(("webhook", "url", "address"), "apprise_file or webhook_file"),
    **dict.fromkeys(("secret", "key", "token", "password"), "secret_file"),
}
"""Keys that people give a secret itself, and the key of the file that should hold it."""
_IN_PLACE: Final = re.compile(r"[a-z0-9+.-]+://|whsec_", re.IGNORECASE)
"""How an address or a signing key begins, and no path."""
_A_PATH: Final = 'write the path of a file, as "/run/secrets/ops-chat"'
_ALL: Final = f"; {MOST_ITEMS} at most, or leave the key out for all"
_TRUE_OR_FALSE: Final = "write true or false, without quotes"
WANTED: Final = {
    "apprise_file": _A_PATH,
    "webhook_file": _A_PATH,
    "secret_file": _A_PATH,
    "digest": 'write a cron expression, as "0 8 * * MON"',
    "gather": 'write a span up to 1h, as "30s" or "5m"',
    "quiet": 'write spans of the day, as ["22:00-07:00"]',
    "zone": 'write a time zone, as "Europe/Berlin" or "UTC"',
    "site": 'write sites, as ["fra1"], of lower-case letters, digits and -' + _ALL,
    "place": 'write places, as ["dc1/rack-2"]' + _ALL,
    "label": 'write labels, as { env = "prod" }' + _ALL,
    "registry": 'write hosts of registries, as ["docker.io"], with a port where there is one'
    + _ALL,
    "verdict": 'write a list of "outdated" and "missing"',
    "versions": _TRUE_OR_FALSE,
    "errors": _TRUE_OR_FALSE,
    "backlog": _TRUE_OR_FALSE,
}
"""What is to be written for each key."""


def table_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) for every fault of a table."""
    of_types = dict(_type_faults(table))
    yield from of_types.items()
    rest = msgspec.convert({k: v for k, v in table.items() if k not in of_types}, RouteTable)
    if of_types.keys().isdisjoint((*_CHANNEL, *_SECRETS)):  # else these would follow from those
        yield from _channel_faults(rest)
    yield from _filter_faults(rest)
    yield from _time_faults(rest)
    if not (rest.verdict or rest.versions or rest.errors):
        yield "verdict", "this route tells nothing: name a verdict, versions or errors"


def _type_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find keys that are unknown, and those whose values are of no use."""
    for key, value in table.items():
        if key in _KINDS:
            try:
                msgspec.convert(value, _KINDS[key])
            except msgspec.ValidationError:
                yield key, WANTED[key]
        elif key in _SECRETS:
            yield key, f"a secret has no place here: name a file that holds it as {_SECRETS[key]}"
        else:
            yield key, f"unknown key; there are {', '.join(_KINDS)}"


def _channel_faults(table: RouteTable) -> Iterator[tuple[str, str]]:
    if bool(table.apprise_file) == bool(table.webhook_file):
        yield "", "a route has apprise_file or webhook_file, one of them"
    elif table.webhook_file and not table.secret_file:
        yield "webhook_file", "a webhook is signed: name the file of its key as secret_file"
    elif table.apprise_file and table.secret_file:
        yield "secret_file", "only a webhook is signed"
    for key in _CHANNEL:
        if _IN_PLACE.match(getattr(table, key)):
            yield key, f"a secret has no place here, but in a file of its own: {_A_PATH}"


def _filter_faults(table: RouteTable) -> Iterator[tuple[str, str]]:
    if not all(map(is_host_id, table.site)):
        yield "site", WANTED["site"]
    if not all(place.strip("/") for place in table.place):
        yield "place", WANTED["place"]
    if not all(map(_is_registry, table.registry)):
        yield "registry", WANTED["registry"]


def _time_faults(table: RouteTable) -> Iterator[tuple[str, str]]:
    if table.digest and (fault := cron_fault(table.digest)):
        yield "digest", f"{WANTED['digest']}: {fault}"
    if gather_span(table.gather) is None:
        yield "gather", WANTED["gather"]
    spans = [quiet_span(each) for each in table.quiet]
    if None in spans:
        yield "quiet", WANTED["quiet"]
    elif not leaves_time(filter(None, spans)):
        yield "quiet", "these leave no time of the day"
    if not _is_zone(table.zone):
        yield "zone", WANTED["zone"]


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

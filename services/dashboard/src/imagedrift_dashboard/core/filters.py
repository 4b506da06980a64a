"""The filters of the pages: their names are those of the command `imagedrift`.

A list has the filters of columns that its view has itself: another one would read the whole fleet.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.page_fault import PageFault

VERDICTS: Final = ("current", "outdated", "pinned", "local", "missing", "unknown")
STATES: Final = ("well", "degraded", "silent")
YES: Final = ("yes",)
TEXT: Final = "text"
"""The filter for a text, which is looked for in the text columns of a list."""

_IN_PLACE: Final = (
    "place >= :place::text AND place < :place::text || '0'"
    " AND CASE place WHEN :place::text THEN true ELSE starts_with(place, :place::text || '/') END"
)
"""A place and all inside it. The range, which ends after `/`, is what an index finds, and tells the
planner how few hosts those are; in a CASE the rest is not taken to leave fewer still."""

_USUAL: Final = {"well": "state <> 'degraded' AND state <> 'silent'"}


class PageFilter(Struct, frozen=True, kw_only=True):
    """One filter: what it is called, what it asks of a row, and what can be given."""

    label: str
    condition: str = ""
    choices: tuple[str, ...] = ()
    usual: Mapping[str, str] = {}
    """The conditions of choices that most rows have: the planner takes one value for a rare one."""
    example: str = ""
    value: Callable[[str], object] = str


def _labels(text: str) -> str:
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise PageFault(400, f"label {text} is not key=value", "Write it as env=prod.")
    return json.dumps({key: value})


FILTERS: Final[Mapping[str, PageFilter]] = {
    "site": PageFilter(label="Site", condition="site = :site::text", example="fra1"),
    "host": PageFilter(
        label="Host", condition="(host = :host::text OR hostname = :host::text)", example="web-1"
    ),
    "place": PageFilter(
        label="Place",
        condition=_IN_PLACE,
        example="dc1/rack-2",
    ),
    "label": PageFilter(
        label="Label",
        condition="labels @> :label::jsonb",
        example="env=prod",
        value=_labels,
    ),
    "registry": PageFilter(
        label="Registry", condition="registry = :registry::text", example="docker.io"
    ),
    "verdict": PageFilter(label="Verdict", condition="verdict = :verdict::text", choices=VERDICTS),
    "running": PageFilter(label="Running", condition="running > 0", choices=YES),
    "outdated": PageFilter(label="Outdated", condition="outdated_hosts > 0", choices=YES),
    "state": PageFilter(
        label="State", condition="state = :state::text", choices=STATES, usual=_USUAL
    ),
    "behind": PageFilter(label="Behind", condition="behind > 0", choices=YES),
    "overdue": PageFilter(label="Overdue", condition="overdue_for IS NOT NULL", choices=YES),
    "active": PageFilter(label="In force", condition="active", choices=YES),
    TEXT: PageFilter(label="Text", example="nginx"),
}


def conditions(
    location: Location, names: Sequence[str], texts: Sequence[str]
) -> tuple[list[str], dict[str, object]]:
    """Write the conditions of the filters that are set, and their values. Raises `PageFault`."""
    written: list[str] = []
    values: dict[str, object] = {}
    for name in names:
        if given := location.get(name):
            values[name] = _value(name, given)
            filter_ = FILTERS[name]
            written.append(filter_.usual.get(given, filter_.condition) or _text(texts))
    return written, values


def _value(name: str, given: str) -> object:
    filter_ = FILTERS[name]
    if filter_.choices and given not in filter_.choices:
        advice = f"It can be: {', '.join(filter_.choices)}."
        raise PageFault(400, f"{name} cannot be {given}", advice)
    return filter_.value(given)


def _text(columns: Sequence[str]) -> str:
    found = [f"strpos(lower({column}), lower(:{TEXT}::text)) > 0" for column in columns]
    return f"({' OR '.join(found)})"

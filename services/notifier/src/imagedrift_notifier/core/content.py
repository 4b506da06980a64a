"""The words of a message, and its form for programs.

A text names the image, from what to what, how many hosts have and run it, where, since when, and
where to look. It is bounded: what is more is counted. All that hosts or registries said is cleaned.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from imagedrift_notifier.core.due_group import DueGroup
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.text import ELLIPSIS, cleaned

MOST_LISTED: Final = 20
"""Topics that a text lists."""
MOST_ITEMS: Final = 100
"""Topics in the form for programs."""
MOST_OF_A_TITLE: Final = 200
MOST_OF_A_NAME: Final = 300
MOST_OF_A_DETAIL: Final = 300
FORM: Final = "imagedrift.notification.v1"


class MessageContent(Struct, frozen=True):
    """The content of a message."""

    title: str
    body: str
    payload: dict[str, Any]


def write(route: str, groups: Sequence[DueGroup], page: str) -> MessageContent:
    """Write one message about all of these groups."""
    title = _title(groups)
    lines = list(_lines(groups[0], page)) if len(groups) == 1 else list(_list(groups, page))
    return MessageContent(
        cleaned(title, MOST_OF_A_TITLE), "\n".join(lines), _payload(route, groups, page)
    )


def trial_content(route: str, page: str) -> MessageContent:
    """Write the message of `imagedrift notify --test`."""
    title = f"imagedrift: a test of the route {route}"
    data = {"route": route, "items": [], "more": 0, "test": True, "page": page}
    return MessageContent(
        title, "Messages of this route arrive here.", {"type": FORM, "data": data}
    )


def shortened(text: str, most: int) -> str:
    """Cut a text of several lines to so many characters; 0 is no bound."""
    return text if not most or len(text) <= most else text[: most - 1] + ELLIPSIS


def _title(groups: Sequence[DueGroup]) -> str:
    if len(groups) > 1:
        return _title_of_many(groups)
    [group] = groups
    name = _name(group)
    match group.topic.kind:
        case "outdated":
            return f"{name} was replaced: {_hosts(group)} to update"
        case "version":
            return f"{name}: {cleaned(group.topic.target, 128)} is newer: {_hosts(group)} to update"
        case "missing":
            return f"{name} is gone from its registry: {_hosts(group)}"
        case "error":
            return f"{name} cannot be asked: {_count(group.hosts, 'reference')}"


def _title_of_many(groups: Sequence[DueGroup]) -> str:
    if groups[0].topic.kind == "error":
        return f"{_count(len(groups), 'registry problem')}"
    references = len({group.topic.reference for group in groups})
    if references == 1:
        return f"{_name(groups[0])}: {_hosts(groups[0])} to update"
    return f"{_count(references, 'image')} to update"


def _lines(group: DueGroup, page: str) -> Iterator[str]:
    if group.topic.kind == "error":
        yield cleaned(group.detail, MOST_OF_A_DETAIL)
    else:
        yield f"{_hosts(group)}, {group.running_hosts:,} running it"
    if group.to_version:
        yield f"From {_from(group)} to {_version(group.to_version)}"
    if group.places:
        yield f"Where: {_places(group)}"
    if group.since:
        yield f"Since {_moment(group.since)}"
    if group.due_at and group.topic.kind != "error":
        yield f"Due since {_moment(group.due_at)}"
    if page:
        yield _link(group, page)


def _list(groups: Sequence[DueGroup], page: str) -> Iterator[str]:
    for group in groups[:MOST_LISTED]:
        yield f"- {_title([group])}{_rest_of_line(group)}"
    if len(groups) > MOST_LISTED:
        yield f"and {len(groups) - MOST_LISTED:,} more"
    if page:
        yield f"{page}/{'registries' if groups[0].topic.kind == 'error' else 'due'}"


def _rest_of_line(group: DueGroup) -> str:
    if group.topic.kind == "error":
        return f": {cleaned(group.detail, MOST_OF_A_DETAIL)}"
    versions = f", {_from(group)} → {_version(group.to_version)}" if group.to_version else ""
    return f" ({group.running_hosts:,} running){versions}"


def _payload(route: str, groups: Sequence[DueGroup], page: str) -> dict[str, Any]:
    items = [_item(group, page) for group in groups[:MOST_ITEMS]]
    more = len(groups) - len(items)
    return {"type": FORM, "data": {"route": route, "items": items, "more": more, "page": page}}


def _item(group: DueGroup, page: str) -> dict[str, Any]:
    return {
        "kind": group.topic.kind,
        "reference": group.topic.reference,
        "target": group.topic.target,
        "hosts": group.hosts,
        "running_hosts": group.running_hosts,
        "places": [cleaned(place, MOST_OF_A_NAME) for place in group.places],
        "place_count": group.place_count,
        "from": [cleaned(each, MOST_OF_A_NAME) for each in _from_versions(group)],
        "to": cleaned(group.to_version, MOST_OF_A_NAME),
        "since": _iso(group.since),
        "due_at": _iso(group.due_at),
        "detail": cleaned(group.detail, MOST_OF_A_DETAIL),
        "link": _link(group, page) if page else "",
    }


def _link(group: DueGroup, page: str) -> str:
    if group.topic.kind == "error":
        return f"{page}/registries"
    return f"{page}/image?reference={quote(group.topic.reference, safe='')}"


def _name(group: DueGroup) -> str:
    return cleaned(group.topic.reference, MOST_OF_A_NAME)


def _hosts(group: DueGroup) -> str:
    return _count(group.hosts, "host")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _places(group: DueGroup) -> str:
    named = ", ".join(cleaned(place, 100) for place in group.places)
    more = group.place_count - len(group.places)
    return f"{named} and {more:,} more" if more > 0 else named


def _from(group: DueGroup) -> str:
    return ", ".join(_version(each) for each in _from_versions(group)[:3]) or "an older image"


def _from_versions(group: DueGroup) -> tuple[str, ...]:
    """List the versions of hosts; a version newer than a tag is told of that tag."""
    if group.topic.kind == "version":
        return (ImageReference.parse(group.topic.reference).tag,)
    return group.from_versions


def _version(text: str) -> str:
    """Write a version, or the beginning of a digest."""
    algorithm, mark, digits = text.partition(":")
    is_digest = mark and algorithm == "sha256"
    return cleaned(f"{algorithm}:{digits[:12]}" if is_digest else text, 100)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _iso(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""

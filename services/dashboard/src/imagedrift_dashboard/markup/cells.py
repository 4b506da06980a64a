"""How one value is shown on a page.

Texts come from hosts and registries: each is cleaned, cut, and stands apart from the text around
it (`bdi`), so that one with letters from right to left moves nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import htpy as h
from htpy import Node

from imagedrift_runtime import value_text
from imagedrift_schemas.text import cleaned

MOST_SHOWN: Final = 200
"""Characters of a text in a table."""
MOST_WHOLE: Final = 10_000
DIGITS: Final = 19
"""Characters of a digest that a person compares: the algorithm and twelve digits."""
NOTHING: Final = "–"
MOST_LISTED: Final = 8


def text(value: str | None, most: int = MOST_SHOWN) -> Node:
    """Show a text from outside."""
    return h.bdi[cleaned(value, most)] if value else nothing()


def whole(value: str | None) -> Node:
    """Show a text from outside with all its characters."""
    return text(value, MOST_WHOLE)


def nothing() -> Node:
    """Show that there is no value."""
    return h.span(".none")[NOTHING]


def soft(word: str) -> Node:
    """Show a word that stands for a value."""
    return h.span(".none")[word]


def number(value: int | None) -> Node:
    """Show a number, in groups of three."""
    return nothing() if value is None else f"{value:,}"


def yes(value: bool | None) -> Node:
    """Show whether something holds."""
    return nothing() if value is None else "yes" if value else "no"


def moment(at: datetime | None, now: datetime) -> Node:
    """Show a time and its age. A script writes it in the viewer's zone."""
    if at is None:
        return nothing()
    written = at.astimezone(UTC)
    return [
        h.time(datetime=written.isoformat())[f"{written:%Y-%m-%d %H:%M} UTC"],
        " ",
        h.span(".age")[f"({value_text.age(at, now)})"],
    ]


def age(at: datetime | None, now: datetime) -> Node:
    """Show the age of a time; the time itself is its title."""
    if at is None:
        return nothing()
    written = at.astimezone(UTC)
    title = f"{written:%Y-%m-%d %H:%M:%S} UTC"
    return h.time(datetime=written.isoformat(), title=title)[value_text.age(at, now)]


def span(value: timedelta | None) -> Node:
    """Show how long something lasts."""
    return nothing() if value is None else value_text.duration(value)


def digest(value: str | None) -> Node:
    """Show the digits of a digest that a person compares."""
    if not value:
        return nothing()
    shown = cleaned(value, MOST_SHOWN)
    cut = f"{shown[:DIGITS]}…" if len(shown) > DIGITS else shown
    return h.code(title=shown)[cut]


def digests(values: Sequence[str] | None) -> Node:
    """Show several digests."""
    return listed([digest(each) for each in values or ()], len(values or ()))


def whole_digests(values: Sequence[str] | None) -> Node:
    """Show several digests with all their digits."""
    return listed([h.code[cleaned(each, MOST_SHOWN)] for each in values or ()], len(values or ()))


def texts(values: Sequence[str] | None) -> Node:
    """Show several texts."""
    return listed([text(each) for each in values or ()], len(values or ()))


def labels(values: Mapping[str, object] | None) -> Node:
    """Show labels."""
    pairs = [f"{key}={value}" for key, value in (values or {}).items()]
    return listed([h.span(".label")[text(each)] for each in pairs], len(pairs))


def listed(nodes: Sequence[Node], number_of: int) -> Node:
    """Show the first of several values, and how many more there are."""
    if not nodes:
        return nothing()
    parts: list[Node] = []
    for each in nodes[:MOST_LISTED]:
        parts += [", " if parts else None, each]
    return [*parts, f" and {number_of - MOST_LISTED} more" if number_of > MOST_LISTED else None]


def badge(word: str) -> Node:
    """Show a verdict or a state: by its word, and by a colour."""
    kind = word if word.isascii() and word.isalpha() else "other"
    return h.span(f".badge.{kind}")[cleaned(word, MOST_SHOWN)]


def link(url: str, child: Node) -> Node:
    """Show a link to another page."""
    return h.a(href=url)[child]

"""The parts of every page: document, navigation, filters, and sections with their queries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import htpy as h
from htpy import Node, Renderable
from msgspec import Struct

from imagedrift_dashboard.core.filters import FILTERS, PageFilter
from imagedrift_dashboard.core.location import AFTER, CSV, Location
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.markup.form_field import FORM_TOKEN
from imagedrift_schemas.text import cleaned

NAVIGATION: Final = (
    ("/", "Fleet"),
    ("/places", "Places"),
    ("/hosts", "Hosts"),
    ("/images", "Images"),
    ("/versions", "Versions"),
    ("/due", "Due"),
    ("/excused", "Excused"),
    ("/decisions", "Decisions"),
    ("/registries", "Registries"),
    ("/dead-letters", "Dead letters"),
)

MOST_TOLD: Final = 500
"""Characters of a fault."""


class ShownSection(Struct, frozen=True, kw_only=True):
    """A section with its content, its query, and the position of its next page."""

    name: str
    title: str
    body: Node
    sql: str
    next_position: str = ""


def document(
    title: str, *parts: Node, account: Node = None, path: str = "", now: datetime | None = None
) -> Renderable:
    """Write a page around its parts, whose ages are told by `now`."""
    return h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.meta(name="color-scheme", content="light dark"),
            h.title[f"{title} · imagedrift"],
            h.link(rel="icon", href="/assets/icon.svg", type="image/svg+xml"),
            h.link(rel="stylesheet", href="/assets/page.css"),
            h.script(src="/assets/page.js", defer=True),
        ],
        h.body[
            h.a(".skip", href="#content")["Skip to the content"],
            h.header[
                h.nav(aria_label="Pages")[
                    h.ul[(h.li[_navigation(url, name, path)] for url, name in NAVIGATION)]
                ],
                account,
            ],
            h.div("#news", role="status", aria_live="polite"),
            h.main("#content", data_now=now.isoformat() if now else None)[h.h1[title], parts],
        ],
    ]


def account(user: str, form_token: str = "") -> Node:
    """Name the signed-in user; with a token there is a form to sign out."""
    if not user:
        return None
    name = h.span["Signed in as ", h.bdi[user]]
    if not form_token:
        return h.div(".user")[name]
    return h.form(".user", method="post", action="/sign-out")[
        name,
        h.input(type="hidden", name=FORM_TOKEN, value=form_token),
        h.button(type="submit")["Sign out"],
    ]


def signed_out(provider_url: str) -> Renderable:
    """Write the page after signing out. The provider may keep a session of its own."""
    elsewhere = h.p[
        "Your provider may still have you signed in: ",
        h.a(href=provider_url)["sign out there, too"],
        ".",
    ]
    return document(
        "Signed out",
        h.p[h.a(href="/sign-in")["Sign in again"]],
        elsewhere if provider_url else None,
    )


def fault(fault_: PageFault) -> Renderable:
    """Write the page of a request that gets no other. It may repeat a part of the request."""
    wrong = cleaned(fault_.wrong[:1].upper() + fault_.wrong[1:], MOST_TOLD)
    return document(
        f"{fault_.status}",
        h.p(".wrong")[h.bdi[wrong], "."],
        h.p[h.bdi[cleaned(fault_.advice, MOST_TOLD)]],
        h.p[h.a(href="/")["To the fleet"]],
    )


def empty(told: str) -> Node:
    """Say that there are no rows, and advise on the next step."""
    return h.p(".empty")[told]


def section(shown: ShownSection, location: Location) -> Node:
    """Write a section: its title, its content, its paging, and its query on demand."""
    return h.section(aria_labelledby=f"{shown.name}-title")[
        h.h2(id=f"{shown.name}-title")[shown.title],
        h.div(data_live=shown.name)[shown.body],
        _paging(shown, location),
        _query(shown, location),
    ]


def filter_form(names: Sequence[str], location: Location) -> Node:
    """Write the filters of a list as a form, whose fields stand in the address."""
    if not names:
        return None
    hidden = [
        h.input(type="hidden", name=name, value=value)
        for name, value in location.parameters.items()
        if name not in (*names, AFTER, CSV)
    ]
    return h.form(
        ".filters",
        method="get",
        action=location.url(**dict.fromkeys(location.parameters, "")),
        role="search",
    )[
        hidden,
        (_field(name, FILTERS[name], location.get(name)) for name in names),
        h.button(type="submit")["Filter"],
        h.a(href=location.url(**dict.fromkeys([*names, AFTER, CSV], "")))["Clear"]
        if any(map(location.get, names))
        else None,
    ]


def _field(name: str, filter_: PageFilter, value: str) -> Node:
    control: Node = h.input(
        id=f"filter-{name}", name=name, value=value, placeholder=filter_.example, size="14"
    )
    if filter_.choices:
        choices = ("", *filter_.choices)
        control = h.select(id=f"filter-{name}", name=name)[
            (h.option(value=each, selected=each == value)[each or "any"] for each in choices)
        ]
    return h.label(for_=f"filter-{name}")[h.span[filter_.label], control]


def _navigation(url: str, name: str, path: str) -> Node:
    is_here = url == path
    return h.a(href=url, aria_current="page")[name] if is_here else h.a(href=url)[name]


def _paging(shown: ShownSection, location: Location) -> Node:
    links: list[Node] = []
    if location.get(AFTER):
        links.append(h.a(href=location.url(after=""))["First page"])
    if shown.next_position:
        links.append(h.a(href=location.url(after=shown.next_position), rel="next")["Next page"])
    return h.nav(".paging", aria_label=f"Pages of {shown.title}")[links] if links else None


def _query(shown: ShownSection, location: Location) -> Node:
    return h.details(".query")[
        h.summary[f"Query of “{shown.title}”"],
        h.pre(id=f"{shown.name}-sql", tabindex="0")[shown.sql],
        h.p[
            h.button(type="button", hidden=True, data_copy=f"{shown.name}-sql")["Copy"],
            " ",
            h.a(href=location.url(after="", csv=shown.name), download=True)["All rows as CSV"],
        ],
    ]

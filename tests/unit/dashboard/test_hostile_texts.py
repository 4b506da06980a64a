"""Texts from hosts and registries do nothing on a page but show."""

from datetime import UTC, datetime

import pytest
from htpy import Node

from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.markup import cells, layout
from imagedrift_dashboard.pages import hosts
from imagedrift_dashboard.pages.hosts import ListedHost
from support.pages import ReadPage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "</bdi></td></tr></table><h1>owned</h1>",
    "\u202e\u2066gnp.exe\u2069",
    "a\u0000b\u001b[31mc",
    "x" * 10_000,
    "🜁" * 10_000,
)


def listed(text: str) -> ListedHost:
    """Make a host whose every text is this one."""
    return ListedHost(
        site=text,
        host=text,
        hostname=text,
        state=text,
        images=1,
        outdated=1,
        unknown=0,
        last_seen_at=NOW,
        place=text,
        labels={text: text},
        degraded=text,
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_text_adds_no_element_and_no_attribute(text: str) -> None:
    """A page has the same elements and attributes, whatever the texts of a host are."""

    def shape(of: str) -> list[tuple[str, list[str]]]:
        page = ReadPage(str(layout.document("x", _shown(of))))
        return [(tag, sorted(attributes)) for tag, attributes in page.elements]

    assert shape(text) == shape("harmless")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_text_is_shown_short_and_without_what_cannot_be_shown(text: str) -> None:
    """Marks that turn the writing around are replaced, and a cell has a bounded length."""
    html = str(layout.document("x", _shown(text)))

    assert not any(mark in html for mark in "\u202e\u2066\u2069\u0000\u001b")
    page = ReadPage(html)
    assert max(map(len, page.texts)) <= 2 * cells.MOST_SHOWN + 1
    assert all(a.startswith("/") or a == "#content" for a in page.links)


def _shown(text: str) -> Node:
    section = hosts.hosts(Location()).sections[0]
    return section.show([listed(text)], NOW)

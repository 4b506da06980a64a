"""Any value at any place of an address gets a page, or one that says what is wrong with it."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import pytest

from imagedrift_dashboard.core.location import AFTER, CSV
from imagedrift_dashboard.pages.catalogue import PAGES
from imagedrift_dashboard.pages.page import PageKind
from support.pages import NGINX, Browser

NAMES: Final = {"site": "fra1", "host": "web-1"}
ODD: Final = (
    "'; DROP SCHEMA ops CASCADE; --",
    '"\\<script>{where}:site$1%%',
    "a=b\\",
    "a//b/",
    "-1",
    "9" * 400,
    "\x00",
    "\u202e",
    "\ud800",
    "\U0010ffff",
    "é" * 1_000,
    "x/" * 3_999,
    "x" * 30_000,
)
ALLOWED: Final = (200, 400, 404)


def addresses(kind: PageKind) -> Iterator[str]:
    """Write the addresses of a page with an odd value at each place."""
    base = kind.path.format(**NAMES)
    needed = f"reference={NGINX}&" if "reference" in kind.parameters else ""
    for value in ODD:
        written = quote(value, safe="", errors="surrogatepass")
        for name in NAMES:
            if f"{{{name}}}" in kind.path:
                yield kind.path.format(**NAMES | {name: written}) + f"?{needed}"
        for name in (*kind.parameters, AFTER, CSV):
            before = "" if name == "reference" else needed
            yield f"{base}?{before}{name}={written}"
        yield f"{base}?{needed}{written}={written}"


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind.path)
async def test_an_odd_value_anywhere_is_no_defect(pages: Browser, kind: PageKind) -> None:
    """Every part of every address takes any text, or the page says what is wrong with it."""
    for url in addresses(kind):
        response = await pages.client.get(url)
        assert response.status_code in ALLOWED, (url[:200], response.text[-300:])

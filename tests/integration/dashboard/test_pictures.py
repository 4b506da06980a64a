"""The pictures of the pages in docs/dashboard.md, taken in a real browser.

`IMAGEDRIFT_RECORD=1 pytest tests/integration/dashboard/test_pictures.py` takes them anew.
"""

import base64
import os
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser

from imagedrift_dashboard.pages.catalogue import PAGES
from support.chromium import PHONE_DARK, WIDE_LIGHT, Look, opened
from support.pages import IMAGE, WHY
from support.samples import ROOT

DOCS: Final = ROOT / "docs"
FOLDER: Final = DOCS / "pictures" / "dashboard"
MOST_BYTES: Final = 1_000_000
QUALITY: Final = 55
PICTURES: Final = {
    "fleet": "/",
    "places": "/places",
    "hosts": "/hosts",
    "host": "/hosts/ber1/web-1",
    "why": WHY,
    "images": "/images",
    "image": IMAGE,
    "versions": "/versions",
    "due": "/due",
    "excused": "/excused",
    "decisions": "/decisions",
    "registries": "/registries",
    "dead-letters": "/dead-letters",
}
LOOKS: Final = {"wide-light": WIDE_LIGHT, "narrow-dark": PHONE_DARK}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("page", PICTURES)
async def test_a_page_is_taken_as_a_picture(
    chrome: Browser, site: str, page: str, tmp_path: Path
) -> None:
    """Each page gives a picture of its own in each look."""
    folder = FOLDER if os.getenv("IMAGEDRIFT_RECORD") == "1" else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    taken = [await _take(chrome, f"{site}{PICTURES[page]}", look) for look in LOOKS.values()]
    for name, picture in zip(LOOKS, taken, strict=True):
        (folder / f"{page}-{name}.webp").write_bytes(picture)
        assert picture[8:12] == b"WEBP"
    assert len(set(taken)) == len(LOOKS)


async def _take(chrome: Browser, url: str, look: Look) -> bytes:
    """Take what the screen shows, as a small file."""
    async with opened(chrome, url, look) as open_page:
        session = await open_page.page.context.new_cdp_session(open_page.page)
        taken = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        return base64.b64decode(taken["data"])


def test_every_page_has_its_pictures_in_the_docs() -> None:
    """docs/dashboard.md shows each page wide and narrow, and all pictures take less than 1 MB."""
    files = [f"{page}-{look}.webp" for page in PICTURES for look in LOOKS]
    text = (DOCS / "dashboard.md").read_text()

    assert len(PICTURES) == len(PAGES)
    assert sorted(each.name for each in FOLDER.iterdir()) == sorted(files)
    assert all(f"(pictures/dashboard/{each})" in text for each in files)
    assert sum(each.stat().st_size for each in FOLDER.iterdir()) < MOST_BYTES

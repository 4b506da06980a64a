"""A real browser without a screen: Debian's Chromium, driven through Playwright."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.async_api import Browser, Page, Response, async_playwright

from support.foreign import FOLDER
from support.programs import missing, require_program

HEADLESS: Final = "chromium-headless-shell"
"""The same browser in a third of the space."""
TIMEOUT_MS: Final = 20_000
AXE: Final = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


class Look(NamedTuple):
    """How a page is looked at."""

    scheme: Literal["light", "dark"]
    width: int
    height: int

    @property
    def name(self) -> str:
        """The look in one word."""
        return f"{self.scheme}-{self.width}"


WIDE_LIGHT: Final = Look("light", 1280, 800)
WIDE_DARK: Final = Look("dark", 1280, 800)
PHONE_LIGHT: Final = Look("light", 390, 844)
PHONE_DARK: Final = Look("dark", 390, 844)
LOOKS: Final = (WIDE_LIGHT, WIDE_DARK, PHONE_LIGHT, PHONE_DARK)


def program() -> Path:
    """Return the path of a Chromium; skips the test, or fails it, where there is none."""
    if found := shutil.which(HEADLESS):
        return Path(found)
    return require_program("chromium", f"apt-get install {HEADLESS}")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser for the length of the context."""
    path = program()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            await browser.close()


class OpenPage:
    """An open page, and what the browser complained about since it was opened."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda m: self._complain(m.text, m.type in ("error", "warning")))
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("requestfailed", lambda r: self._complain(f"{r.url}: {r.failure}"))
        page.on("response", self._look_at)

    async def findings(self) -> list[str]:
        """Let axe-core judge the page; what it finds, a line each."""
        if not AXE.is_file():
            missing("axe-core", "make foreign")
        await self.page.evaluate(AXE.read_text())
        found = await self.page.evaluate(_JUDGE, list(RULES))
        return [str(each) for each in found]

    async def look(self, look: Look) -> None:
        """Look at the page in another way."""
        await self.page.emulate_media(color_scheme=look.scheme)
        await self.page.set_viewport_size({"width": look.width, "height": look.height})

    def _complain(self, text: str, is_complaint: bool = True) -> None:
        if is_complaint:
            self.complaints.append(text)

    def _look_at(self, response: Response) -> None:
        self._complain(f"{response.url}: status {response.status}", response.status >= 400)


_JUDGE: Final = """
async (tags) => {
  const {violations} = await axe.run(document, {runOnly: tags});
  const told = ({id, help, nodes}) =>
    `${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`;
  return violations.map(told);
}
"""


@asynccontextmanager
async def opened(
    browser: Browser,
    url: str,
    look: Look = WIDE_LIGHT,
    *,
    permissions: Sequence[str] = (),
    awaited: str = "**/events",
    clock: bool = False,
) -> AsyncIterator[OpenPage]:
    """Open a page as somebody new, until it follows the changes, or has what else is awaited.

    With `clock` time passes on the page as the test says.
    """
    context = await browser.new_context(
        color_scheme=look.scheme,
        viewport={"width": look.width, "height": look.height},
        timezone_id="Europe/Berlin",
        locale="en-GB",
        reduced_motion="reduce",
        permissions=list(permissions),
    )
    context.set_default_timeout(TIMEOUT_MS)
    try:
        page = await context.new_page()
        if clock:
            await page.clock.install()
        open_page = OpenPage(page)
        async with page.expect_response(awaited):
            await page.goto(url)
        yield open_page
    finally:
        await context.close()

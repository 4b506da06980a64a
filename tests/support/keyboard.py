"""A walk through a page by the Tab key."""

from typing import Any

from playwright.async_api import Page

COLLECT = """
() => {
  const all = "a[href], button, input:not([type=hidden]), select, summary, [tabindex]";
  window.walk = [...document.querySelectorAll(all)].filter((each) => each.checkVisibility());
  return window.walk.length;
}
"""
WHERE = """
() => {
  const at = document.activeElement;
  const {left, right, top, bottom} = at.getBoundingClientRect();
  const {outlineStyle, outlineWidth} = getComputedStyle(at);
  return {
    index: window.walk.indexOf(at),
    outlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 1,
    onScreen: right > 0 && left < innerWidth && bottom > 0 && top < innerHeight,
  };
}
"""


async def walked(page: Page) -> list[dict[str, Any]]:
    """Press Tab once for everything that can be reached; where each led."""
    found = []
    for _ in range(await page.evaluate(COLLECT)):
        await page.keyboard.press("Tab")
        found.append(await page.evaluate(WHERE))
    return found

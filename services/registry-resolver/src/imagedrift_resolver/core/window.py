"""How many requests to one registry may be under way at once, from one resolver.

A registry that nobody configured is met carefully: one request at a time, one more after every
`STEP` good answers, `MOST` at last. A 429 halves what was reached. So the first 429 of a registry
with a small unpublished limit costs one request, not sixteen. `max_connections` in the
configuration is a consent: it is used from the start.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

STEP: Final = 25
MOST: Final = 16


class Window(Struct, frozen=True):
    """The present size and how it may change."""

    size: int
    most: int
    good: int = 0


def first_window(max_connections: int | None) -> Window:
    """Return the window for a registry that has not been asked yet."""
    if max_connections:
        return Window(max_connections, max_connections)
    return Window(1, MOST)


def after_success(window: Window) -> Window:
    """Return the window after one more good answer."""
    if window.size >= window.most:
        return window
    good = window.good + 1
    if good < STEP:
        return replace(window, good=good)
    return replace(window, size=window.size + 1, good=0)


def after_limit(window: Window) -> Window:
    """Return the window after a 429."""
    return replace(window, size=max(1, window.size // 2), good=0)

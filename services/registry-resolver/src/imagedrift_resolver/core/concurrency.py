"""How many questions one registry is asked at once, from one resolver.

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


class Concurrency(Struct, frozen=True):
    """How many questions are asked at once, and at the most."""

    size: int
    most: int
    good: int = 0


def initial(max_connections: int | None) -> Concurrency:
    """Return the concurrency for a registry that has not been asked yet."""
    if max_connections:
        return Concurrency(max_connections, max_connections)
    return Concurrency(1, MOST)


def after_success(concurrency: Concurrency) -> Concurrency:
    """Return the concurrency after one more good answer."""
    if concurrency.size >= concurrency.most:
        return concurrency
    good = concurrency.good + 1
    if good < STEP:
        return replace(concurrency, good=good)
    return replace(concurrency, size=concurrency.size + 1, good=0)


def after_limit(concurrency: Concurrency) -> Concurrency:
    """Return the concurrency after a 429."""
    return replace(concurrency, size=max(1, concurrency.size // 2), good=0)

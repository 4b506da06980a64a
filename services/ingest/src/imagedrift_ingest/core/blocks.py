"""Which references are moved when registries begin or cease to block us.

Rules:
- While a registry blocks us, its references are due when the block ends, those that most hosts run
  first, the others spread, so that the end of a block is no rush.
- A block that begins or grows moves whatever would be due before its end; once, as afterwards only
  what newly falls due inside it is looked for, a little ahead of its time.
- One that ends early brings forward what waits for its old end.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from msgspec import Struct

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

Blocks: TypeAlias = Mapping[str, datetime]
"""Until when registries block us; those that do not are absent."""


class DueWindow(Struct, frozen=True, kw_only=True):
    """References of a registry that are due from `since` on and before `until` wait for `opens`."""

    registry: str
    since: datetime
    until: datetime
    opens: datetime


def windows(
    before: Blocks, now: Blocks, at: datetime, *, ahead: timedelta, spread: timedelta
) -> Iterator[DueWindow]:
    """Tell which references are moved, given the blocks that they have been moved for already."""
    for registry, opens in now.items():
        until = min(opens, at + ahead) if before.get(registry) == opens else opens
        yield DueWindow(registry=registry, since=LONG_AGO, until=until, opens=opens)
    for registry, ended in before.items():
        opens = now.get(registry, at)
        if opens < ended:
            yield DueWindow(registry=registry, since=ended, until=ended + spread, opens=opens)


def changed(before: Blocks, now: Blocks) -> set[str]:
    """Tell whose block is another one than before."""
    return {name for name in {*before, *now} if before.get(name) != now.get(name)}


def due_when_open(opens: datetime, spread: timedelta, rank: int, of: int) -> datetime:
    """Tell when the reference is due that has this rank (from 1) of those that are moved."""
    return opens + spread * ((rank - 1) / of)

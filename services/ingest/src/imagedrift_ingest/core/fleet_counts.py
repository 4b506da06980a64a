"""Counts of the fleet: who of several processes makes them, for how long they hold, the figures.

Rules:
- One process counts, once a period, and alone shows the figures. It goes on for as long as it can.
- Its figures hold for two periods from before the count began. Another process takes over when the
  last count is two periods old: by then nothing of the first is shown any more. So it does when
  that count is two periods ahead, as a clock was.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

PERIODS: Final = 2
"""Periods for which figures hold, and after which another process takes over."""
MOST_PLACES: Final = 200
MOST_REFERENCES: Final = 50
MOST_BUDGETS: Final = 100


class LastExport(Struct, frozen=True):
    """The process that counted last, and when."""

    is_ours: bool
    age_s: float


class Share(Struct, frozen=True):
    """A part of a whole, both as numbers."""

    part: int
    whole: int


class DatabaseFigures(Struct, frozen=True, kw_only=True):
    """The tables in figures, for VACUUM."""

    live_rows: int
    dead_rows: int
    """Not removed by VACUUM yet."""
    transaction_age: int
    """How many transactions ago the oldest one was that is not frozen."""


class FleetFigures(Struct, frozen=True, kw_only=True):
    """The fleet in figures."""

    counted_at: float
    """In Unix time."""
    hosts: Mapping[str, int]
    """By state."""
    images: Mapping[str, int]
    """By verdict."""
    stale: int
    due: Mapping[str, int]
    """By cause."""
    overdue: int
    waiting: int
    excused: int
    places: Mapping[str, Share]
    """Outdated hosts of all hosts."""
    references: Mapping[str, int]
    """Outdated hosts."""
    budgets: Mapping[tuple[str, str], Share]
    """Requests that are left of those permitted, by registry and credential."""
    database: DatabaseFigures


def is_to_count(last: LastExport | None, period_s: float) -> bool:
    """Tell whether this process counts now."""
    return last is None or last.is_ours or abs(last.age_s) >= PERIODS * period_s


def holds_until(began: float, period_s: float) -> float:
    """Tell until when figures hold whose count began at that moment."""
    return began + PERIODS * period_s


def by_state(hosts: int, silent: int, degraded: int) -> dict[str, int]:
    """Divide hosts by their state."""
    return {"well": hosts - silent - degraded, "silent": silent, "degraded": degraded}


def by_cause(due: int, versions: int) -> dict[str, int]:
    """Divide due images by their cause."""
    return {"outdated": due - versions, "version": versions}

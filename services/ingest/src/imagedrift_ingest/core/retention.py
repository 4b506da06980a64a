"""How long things are kept, and how much of that is removed at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

ROWS_AT_ONCE = 2000
"""Rows that one transaction of maintenance removes: it ends soon, however many there are."""

MOST_DAYS = 36_500
"""A hundred years: what is kept longer is kept for ever."""


DESCRIPTIONS = timedelta(days=1)
"""A description may be a megabyte, and a registry can move its tags with every check."""


class Retention(Struct, frozen=True, kw_only=True):
    """How many days rows are kept. Rows that refer to others are kept no longer than these."""

    retire_after: int = 30
    """A host that was silent this long is given up, and so is a registry that was not asked."""
    history: int = 365
    """Changes, the trend, retired hosts, and images and references that no host has."""
    dead_letters: int = 30
    """Refused messages, and changes that could not be published."""

    plans: int = 90
    """Saved plans."""

    def retire_before(self, at: datetime) -> datetime:
        """Tell before which moment silence is too long."""
        return at - timedelta(days=self.retire_after)

    def history_before(self, at: datetime) -> datetime:
        """Tell before which moment nothing is history any more."""
        return at - timedelta(days=self.history)

    def letters_before(self, at: datetime) -> datetime:
        """Tell before which moment refused messages are dropped."""
        return at - timedelta(days=self.dead_letters)

    def plans_before(self, at: datetime) -> datetime:
        """Tell before which moment a plan is over."""
        return at - timedelta(days=self.plans)


class RetentionStep(Struct, frozen=True, kw_only=True):
    """One step of maintenance, which is repeated until nothing is left."""

    name: str
    before: datetime
    """Rows from before this moment go."""
    at: datetime
    """The moment of the run."""


def steps(keep: Retention, at: datetime) -> list[RetentionStep]:
    """List the steps of a run in their order: what refers to something goes before it."""
    history, silent = keep.history_before(at), keep.retire_before(at)
    letters = keep.letters_before(at)
    limits = {
        "months_made": at,
        "months_dropped": history,
        "host_changes_dropped": history,
        "hosts_retired": silent,
        "hosts_dropped": history,
        "nameless_hosts_dropped": history,
        "images_marked": at,
        "images_dropped": history,
        "images_trimmed": at,
        "bases_dropped": history,
        "references_dropped": history,
        "lists_dropped": silent,
        "tags_dropped": history,
        "tags_trimmed": at,
        "descriptions_dropped": at - DESCRIPTIONS,
        "image_facts_dropped": history,
        "registries_dropped": silent,
        "trend_dropped": history,
        "changes_dropped": letters,
        "letters_dropped": letters,
        "quotas_dropped": at,
        "plan_hosts_dropped": keep.plans_before(at),
        "plans_dropped": keep.plans_before(at),
    }
    return [RetentionStep(name=name, before=before, at=at) for name, before in limits.items()]


def that_fit(sizes: Sequence[int], most: int = ROWS_AT_ONCE) -> int:
    """Tell how many of these, from the first one on, are removed at once: one at least."""
    total = 0
    for index, size in enumerate(sizes):
        total += size + 1
        if total > most:
            return max(index, 1)
    return len(sizes)

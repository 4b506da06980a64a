"""Whether the database's clock and ours agree, before anything is removed because it is old.

A clock that jumps, as after a snapshot, a dead battery or a wrong time server, would make all of a
history old at once. One clock cannot tell that it is wrong; two that differ can.
"""

from datetime import datetime, timedelta
from typing import Final

MOST_APART: Final = timedelta(hours=1)


class ClocksDisagree(Exception):
    """One of two clocks is wrong; the message says by how much."""


def require_agreement(database: datetime, ours: datetime) -> None:
    """Raise `ClocksDisagree` where the database's time and ours are an hour apart or more."""
    apart = database - ours
    if abs(apart) >= MOST_APART:
        seconds = int(abs(apart).total_seconds())
        raise ClocksDisagree(
            f"the database's clock is {timedelta(seconds=seconds)}"
            f" {'ahead of' if apart > timedelta() else 'behind'} this machine's:"
            " nothing is removed until they agree; set the clock that is wrong"
        )

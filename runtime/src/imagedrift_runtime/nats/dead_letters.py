"""Which refusals are written down: dead letters are bounded, whoever sends whatever how often.

Rules:
- In an hour a subject and a reason have few letters: the first, and one each time that twice as
  many were refused as were told of. A letter tells of how many refusals it is (`times`).
- Only the first has the message in it, and only so many of these have one in an hour.
- Beyond so many subjects nothing is written: the metric of refused messages counts them all.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

MOST: Final = 20_000
"""Subjects with a reason that are told of in an hour."""
WITH_PAYLOAD: Final = 200
"""How many letters of an hour have the message in them, of up to 64 KiB each."""


class DueLetter(Struct, frozen=True):
    """A letter that is to be written."""

    times: int
    """How many refusals it tells of."""
    with_payload: bool


class _Count(Struct):
    refused: int = 0
    told: int = 0


class DeadLetterLimiter:
    """Counts refusals by subject and reason, for the hour."""

    def __init__(self) -> None:
        self._hour: object = None
        self._counts: dict[int, _Count] = {}
        self._payloads = 0

    def __len__(self) -> int:
        """Tell how many subjects and reasons are counted."""
        return len(self._counts)

    def refused(self, subject: str, reason: str, now: datetime) -> DueLetter | None:
        """Count a refusal, and return the letter that is due for it."""
        hour = (now.date(), now.hour)
        if hour != self._hour:
            self._hour, self._counts, self._payloads = hour, {}, 0
        key = hash((subject, reason))
        if key not in self._counts and len(self._counts) >= MOST:
            return None
        count = self._counts.setdefault(key, _Count())
        count.refused += 1
        if count.refused < 2 * count.told:
            return None
        due = DueLetter(
            count.refused - count.told, count.told == 0 and self._payloads < WITH_PAYLOAD
        )
        self._payloads += due.with_payload
        count.told = count.refused
        return due

    def not_written(self, subject: str, reason: str, due: DueLetter) -> None:
        """Take a letter back that could not be written: the message comes again."""
        count = self._counts.get(hash((subject, reason)))
        if count and count.told >= due.times:  # else it was of the hour before
            count.refused -= 1
            count.told -= due.times
            self._payloads -= due.with_payload

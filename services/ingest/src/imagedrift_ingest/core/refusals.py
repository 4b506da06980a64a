"""Which refused heartbeats are told: the first of each host and reason in each hour.

Heartbeats are not stored, so one that is refused leaves a trace nowhere else. All are counted in
the metric; letters are few, however many hosts are wrong, and however often.
"""

from datetime import datetime, timedelta
from typing import Final

from imagedrift_schemas.text import cleaned
from imagedrift_schemas.v1 import DeadLetter

PERIOD: Final = timedelta(hours=1)
MOST_LETTERS: Final = 2_000
"""In each period: of more hosts than that the rest is only counted."""
MOST_PAYLOAD: Final = 1024
MOST_ERROR: Final = 500


class Refusals:
    """Chooses the letters, and holds them until they are taken."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._until: datetime | None = None
        self._told: set[tuple[str, str]] = set()
        self._letters: list[DeadLetter] = []

    def note(self, subject: str, reason: str, error: str, payload: bytes, at: datetime) -> None:
        """Note one of a host's heartbeats that was refused."""
        if self._until is None or at >= self._until:
            self._until, self._told = at + PERIOD, set()
        if (subject, reason) in self._told or len(self._told) >= MOST_LETTERS:
            return
        self._told.add((subject, reason))
        self._letters.append(
            DeadLetter(
                service=self._service,
                subject=subject,
                reason=reason,
                error=cleaned(error, MOST_ERROR),
                received_at=at,
                payload=payload[:MOST_PAYLOAD],
            )
        )

    def take(self) -> list[DeadLetter]:
        """Return the letters since the last time."""
        letters, self._letters = self._letters, []
        return letters

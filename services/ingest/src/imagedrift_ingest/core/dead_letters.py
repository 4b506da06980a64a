"""Dead letters as they are kept: one row an hour for each service, subject and reason.

Rules:
- What is one row in the database is one row of a batch: refusals are added up, the first message
  that a letter has stays, together with its own error and place.
- Every text and number fits its column, whichever service wrote the letter, and can be shown:
  `imagedrift_schemas.dead_letters` has the bounds.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from imagedrift_schemas.dead_letters import bounded
from imagedrift_schemas.v1 import DeadLetter


class DeadLetterRow(Struct, frozen=True):
    """Refusals of one hour, in the order of the statement's columns."""

    service: str
    subject: str
    reason: str
    hour: datetime
    seq: int
    """Of the newest letter in it."""
    times: int
    first_received_at: datetime
    received_at: datetime
    stream: str
    stream_seq: int
    error: str
    payload: bytes


def rows(letters: Iterable[tuple[int, DeadLetter]]) -> list[DeadLetterRow]:
    """Add letters up by service, subject, reason and hour, in the order of their keys."""
    found: dict[tuple[str, str, str, datetime], DeadLetterRow] = {}
    for seq, letter in sorted(letters, key=lambda pair: pair[0]):
        row = _row(seq, letter)
        key = (row.service, row.subject, row.reason, row.hour)
        found[key] = _added(found[key], row) if key in found else row
    return [found[key] for key in sorted(found)]


def _row(seq: int, told: DeadLetter) -> DeadLetterRow:
    letter = bounded(told)
    at = letter.received_at.astimezone(UTC)
    return DeadLetterRow(
        service=letter.service,
        subject=letter.subject,
        reason=letter.reason,
        hour=at.replace(minute=0, second=0, microsecond=0),
        seq=seq,
        times=letter.times,
        first_received_at=letter.received_at,
        received_at=letter.received_at,
        stream=letter.stream,
        stream_seq=letter.stream_seq,
        error=letter.error,
        payload=letter.payload,
    )


def _added(before: DeadLetterRow, after: DeadLetterRow) -> DeadLetterRow:
    shown = before if before.payload or not after.payload else after
    return DeadLetterRow(
        before.service,
        before.subject,
        before.reason,
        before.hour,
        seq=after.seq,
        times=before.times + after.times,
        first_received_at=min(before.first_received_at, after.first_received_at),
        received_at=max(before.received_at, after.received_at),
        stream=shown.stream,
        stream_seq=shown.stream_seq,
        error=shown.error,
        payload=shown.payload,
    )

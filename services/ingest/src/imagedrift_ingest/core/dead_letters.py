"""Dead letters as they are kept: one row an hour for each service, subject and reason.

Rules:
- What is one row in the database is one row of a batch: refusals are added up, the first message
  stays.
- Every text and number fits its column, whichever service wrote the letter, and can be shown.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from imagedrift_schemas.text import cleaned
from imagedrift_schemas.v1 import DeadLetter

WORD_KEPT: Final = 100
SUBJECT_KEPT: Final = 1_000
"""Bytes, as it is indexed."""
ERROR_KEPT: Final = 2_000
PAYLOAD_KEPT: Final = 65_536
MOST_TIMES: Final = 2**31
MOST_SEQ: Final = 2**63 - 1


class DeadLetterRow(Struct, frozen=True):
    """RefusalLog of one hour, in the order of the statement's columns."""

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


def _row(seq: int, letter: DeadLetter) -> DeadLetterRow:
    at = letter.received_at.astimezone(UTC)
    return DeadLetterRow(
        service=_text(letter.service, WORD_KEPT),
        subject=_text(letter.subject, SUBJECT_KEPT),
        reason=_text(letter.reason, WORD_KEPT),
        hour=at.replace(minute=0, second=0, microsecond=0),
        seq=seq,
        times=max(1, min(letter.times, MOST_TIMES)),
        first_received_at=letter.received_at,
        received_at=letter.received_at,
        stream=_text(letter.stream, WORD_KEPT),
        stream_seq=max(0, min(letter.stream_seq, MOST_SEQ)),
        error=_text(letter.error, ERROR_KEPT),
        payload=letter.payload[:PAYLOAD_KEPT],
    )


def _added(before: DeadLetterRow, after: DeadLetterRow) -> DeadLetterRow:
    return DeadLetterRow(
        before.service,
        before.subject,
        before.reason,
        before.hour,
        seq=after.seq,
        times=before.times + after.times,
        first_received_at=min(before.first_received_at, after.first_received_at),
        received_at=max(before.received_at, after.received_at),
        stream=before.stream,
        stream_seq=before.stream_seq,
        error=before.error,
        payload=before.payload or after.payload,
    )


def _text(text: str, most: int) -> str:
    """Clean a text, and cut it to so many bytes."""
    return cleaned(text, most).encode()[:most].decode(errors="ignore")

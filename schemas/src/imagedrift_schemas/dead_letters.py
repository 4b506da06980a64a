"""A dead letter as it is written and stored: its bounds are in this one place.

Rules:
- Every text is cleaned and cut, and every number is brought into its range.
- A publisher bounds its letter, and ingest bounds it again: any program may publish one.
"""

from typing import Final

import msgspec

from imagedrift_schemas.constraints import MOST_BIG_COUNT, MOST_COUNT, MOST_PAYLOAD
from imagedrift_schemas.text import cleaned
from imagedrift_schemas.v1 import DeadLetter

MOST_WORD: Final = 100
MOST_SUBJECT: Final = 1_000
"""Bytes, as it is indexed."""
MOST_ERROR: Final = 2_000


def bounded(letter: DeadLetter) -> DeadLetter:
    """Return a letter whose texts, numbers and payload are within their bounds."""
    return msgspec.structs.replace(
        letter,
        service=_text(letter.service, MOST_WORD),
        subject=_text(letter.subject, MOST_SUBJECT),
        reason=_text(letter.reason, MOST_WORD),
        stream=_text(letter.stream, MOST_WORD),
        stream_seq=max(0, min(letter.stream_seq, MOST_BIG_COUNT)),
        error=_text(letter.error, MOST_ERROR),
        payload=letter.payload[:MOST_PAYLOAD],
        times=max(1, min(letter.times, MOST_COUNT)),
    )


def _text(text: str, most: int) -> str:
    """Clean a text, and cut it to so many bytes."""
    return cleaned(text, most).encode()[:most].decode(errors="ignore")

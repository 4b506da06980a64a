"""Answers, limits and letters as they are believed: times bounded, texts fit to be shown.

Rules:
- Nothing was seen after the message about it was stored: a resolver's clock may be ahead.
- No block and no limit lasts longer than a day from then on: it would be told again.
- A text informs, and a count informs: neither refuses its message. A registry's name does.
"""

import re
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from imagedrift_ingest.core import times, versions
from imagedrift_schemas import reference
from imagedrift_schemas.constraints import MOST_CREDENTIAL
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.text import cleaned
from imagedrift_schemas.v1 import (
    AnyAnswer,
    DeadLetter,
    Described,
    Failure,
    Found,
    Limited,
    Listed,
    RegistryState,
)

MOST_TEXT: Final = 2000
MOST_LISTED_NAMES: Final = 20_000
_REGISTRY: Final = re.compile(reference.CANONICAL_REGISTRY, re.ASCII)
_REPOSITORY: Final = re.compile(reference.CANONICAL_REPOSITORY, re.ASCII)
_TAG: Final = re.compile(reference.TAG, re.ASCII)
MOST_PLATFORM: Final = 200
MOST_FAILURES: Final = 1_000_000
MOST_COUNT: Final = 2**31 - 1
_COUNTS: Final = ("rate_limit", "rate_remaining", "rate_window_s", "last_status")


def answer(message: AnyAnswer, stored_at: datetime) -> AnyAnswer:
    """Return an answer or a description as it is believed."""
    checked_at = times.past(message.checked_at, stored_at)
    if isinstance(message, Described):
        failure = message.failure and _failure(message.failure, stored_at)
        children = tuple(
            replace(
                child,
                platform=cleaned(child.platform, MOST_PLATFORM),
                facts=versions.believed(child.facts, checked_at),
            )
            for child in message.children
        )
        return replace(message, checked_at=checked_at, children=children, failure=failure)
    outcome = message.outcome
    return replace(
        message,
        checked_at=checked_at,
        last_found_at=times.plausible(message.last_found_at, checked_at),
        outcome=outcome if isinstance(outcome, Found) else _failure(outcome, stored_at),
        failures=min(max(message.failures, 0), MOST_FAILURES),
    )


def listed(message: Listed, stored_at: datetime) -> Listed:
    """Return a tag list as it is believed. Raises `Malformed` naming the field."""
    if not _REGISTRY.fullmatch(message.registry):
        raise Malformed(f"registry: {message.registry[:80]!a} is none in canonical form")
    if not _REPOSITORY.fullmatch(message.repository):
        raise Malformed(f"repository: {message.repository[:80]!a} is none in canonical form")
    if sum(len(track.names) for track in message.tracks) > MOST_LISTED_NAMES:
        raise Malformed(f"tracks: more than {MOST_LISTED_NAMES} names")
    for n, track in enumerate(message.tracks):
        for name in track.names:
            if not _TAG.fullmatch(name):
                raise Malformed(f"tracks[{n}].names: {name[:80]!a} is no tag")
    checked_at = times.past(message.checked_at, stored_at)
    return replace(
        message,
        checked_at=checked_at,
        listed_at=times.plausible(message.listed_at, checked_at),
        tracks=tuple(track for track in message.tracks if track.names),
        count=_count(message.count) or 0,
        failure=message.failure and _failure(message.failure, stored_at),
        failures=min(max(message.failures, 0), MOST_FAILURES),
    )


def registry_state(message: RegistryState, stored_at: datetime) -> RegistryState:
    """Return a registry's limits within bounds. Raises `Malformed` naming the field."""
    if not _REGISTRY.fullmatch(message.registry):
        raise Malformed(f"registry: {message.registry[:80]!a} is none in canonical form")
    return replace(
        message,
        credential=cleaned(message.credential, MOST_CREDENTIAL),
        **{name: _count(getattr(message, name)) for name in _COUNTS},
        rate_reset_at=times.until(message.rate_reset_at, stored_at),
        blocked_until=times.until(message.blocked_until, stored_at),
        get_blocked_until=times.until(message.get_blocked_until, stored_at),
        observed_at=times.past(message.observed_at, stored_at),
        last_error=cleaned(message.last_error, MOST_TEXT),
    )


def dead_letter(message: DeadLetter, stored_at: datetime) -> DeadLetter:
    """Return a letter with a time that can be."""
    return replace(message, received_at=times.past(message.received_at, stored_at))


def _failure(failure: Failure, stored_at: datetime) -> Failure:
    reason = cleaned(failure.reason, MOST_TEXT)
    if isinstance(failure, Limited):
        return replace(failure, reason=reason, until=times.until(failure.until, stored_at))
    return replace(failure, reason=reason)


def _count(told: int | None) -> int | None:
    return told if told is None or 0 <= told <= MOST_COUNT else None

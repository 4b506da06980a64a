"""The limits that registries publish, in all the spellings that are met.

    ratelimit-limit: 100;w=21600               Docker Hub; spaces and an empty value are met
    ratelimit-remaining: 99;w=21600
    x-ratelimit-limit / -remaining / -reset    reset as epoch seconds, or as seconds from now
    RateLimit-Limit / -Remaining / -Reset      reset as seconds from now
    RateLimit: limit=100, remaining=99, reset=60
    RateLimit-Policy: "default";q=100;w=60     and   RateLimit: "default";r=99;t=60

    Retry-After: 120                           seconds
    Retry-After: Wed, 21 Oct 2026 07:28:00 GMT
    Retry-After: 1746136938                    epoch seconds (also milli- and microseconds)
    X-Retry-After: 1746136938
    "retry-after: 331.163µs" in the body       GHCR, a duration as Go writes it

A number that makes no sense is as good as none: nothing here raises, and every wait that is
returned lies between a floor and a ceiling.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

from imagedrift_resolver.core.reply import Reply

FLOOR_S: Final = 1.0
CEILING_S: Final = 6 * 3600.0
DEFAULT_WINDOW_S: Final = 3600
"""The window of a limit that names none."""
_ALREADY_EPOCH: Final = 1e9
_LARGEST: Final = 10**9
_NUMBER: Final = re.compile(r"\s*(\d{1,12})\s*(?:;|,|$)")
_WINDOW: Final = re.compile(r";\s*w\s*=\s*(\d{1,9})", re.IGNORECASE)
_FIELD: Final = re.compile(r"\b(limit|remaining|reset|r|t|q|w)\s*=\s*(\d{1,12})", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"\d{1,17}(?:\.\d{1,9})?")
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|us|µs|μs|ms|s|m|h)")
_IN_BODY: Final = re.compile(r"retry-after:\s*((?:[\d.]+(?:ns|us|µs|μs|ms|s|m|h))+)")
_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}


class Limits(Struct, frozen=True):
    """The limit of a response; None for each part that it does not name."""

    limit: int | None = None
    remaining: int | None = None
    window_s: int | None = None
    reset_at: datetime | None = None


def read_limits(reply: Reply, now: datetime) -> Limits | None:
    """Read a response's limit headers, whichever they are. None when it has none."""
    for prefix in ("ratelimit-", "x-ratelimit-"):
        limit = reply.first(f"{prefix}limit")
        remaining = reply.first(f"{prefix}remaining")
        if _number(limit) is not None or _number(remaining) is not None:
            window = _WINDOW.search(remaining) or _WINDOW.search(limit)
            return Limits(
                _number(limit),
                _number(remaining),
                _bounded(window[1]) if window else None,
                _reset(reply.first(f"{prefix}reset"), now),
            )
    return _one_header(reply, now)


def wait_s(reply: Reply, now: datetime) -> float | None:
    """Return for how long a response asks us to stay away, clamped. None when it does not say."""
    for name in ("retry-after", "x-retry-after"):
        told = _told_wait(reply.first(name), now)
        if told is not None:
            return clamped(told)
    in_body = _IN_BODY.search(reply.body[:4096].decode("utf-8", "replace"))
    return clamped(_duration(in_body[1])) if in_body else None


def clamped(seconds: float) -> float:
    """Bring a wait between the floor and the ceiling."""
    return min(max(seconds, FLOOR_S), CEILING_S)


def _one_header(reply: Reply, now: datetime) -> Limits | None:
    """Read the newer forms, in which one header says everything."""
    told = _fields(reply.first("ratelimit-policy")) | _fields(reply.first("ratelimit"))
    limit, remaining = told.get("limit", told.get("q")), told.get("remaining", told.get("r"))
    if limit is None and remaining is None:
        return None
    reset = told.get("reset", told.get("t"))
    return Limits(
        limit, remaining, told.get("w"), None if reset is None else _reset(str(reset), now)
    )


def _fields(text: str) -> dict[str, int]:
    return {name.lower(): min(int(value), _LARGEST) for name, value in _FIELD.findall(text[:1024])}


def _number(text: str) -> int | None:
    match = _NUMBER.match(text)
    return _bounded(match[1]) if match else None


def _bounded(digits: str) -> int:
    return min(int(digits), _LARGEST)


def _reset(text: str, now: datetime) -> datetime | None:
    wait = _told_wait(text, now)
    return None if wait is None else now + timedelta(seconds=min(max(wait, 0.0), CEILING_S))


def _told_wait(text: str, now: datetime) -> float | None:
    """Read one wait: a number, a duration or a date. None when it is none of them."""
    text = text.strip()
    if not text:
        return None
    if _DECIMAL.fullmatch(text):
        return _from_number(float(text), now)
    if _DURATION.fullmatch(text):
        return _duration(text)
    try:
        date = parsedate_to_datetime(text[:64])
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return (date - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _from_number(number: float, now: datetime) -> float:
    """A number that would mean decades is a moment, in seconds, milli- or microseconds."""
    if number < _ALREADY_EPOCH:
        return number
    while number >= _ALREADY_EPOCH * 100:
        number /= 1000
    return number - now.timestamp()


def _duration(text: str) -> float:
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))

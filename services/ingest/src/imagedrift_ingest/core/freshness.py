"""When a reference is asked next.

Rules:
- After a conclusive answer: one period later. The period is the freshness, stretched for a tag
  that has not moved for long, and spread by up to a tenth so that references heard of at once are
  not asked at once for ever.
- After a failure: later each time it fails again, up to `FAILED_AT_MOST` periods; when the
  registry named a moment, then.
- While its registry blocks us: when the block ends; see `blocks`. A digest that could not be
  described because of a limit is asked about when that ends, too, if that is soon.
- A repository's tags are listed by the same rules, with a freshness of their own. So is a candidate
  asked that no host has: a newer version, or the image that others were built on.
- No moment lies further ahead than `furthest` says: one that does was written by a wrong clock.
- A question lives in its stream for `question_ttl`: until then the server refuses another one,
  and no answer can be older than its question, so `due` is never before that.
"""

import zlib
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

SPREAD: Final = 0.1
FAILED_AT_MOST: Final = 4
DESCRIBE_AGAIN_PERIODS: Final = 12
"""How many periods after a digest was asked about, or failed, it is asked about again."""
STRETCH_STARTS_AFTER: Final = timedelta(days=7)
BLOCKED_AT_MOST: Final = timedelta(days=1)
LIST_FRESHNESS_S: Final = 43_200.0
MOST_LIST_TTL_S: Final = 3600
CLOCKS_APART: Final = timedelta(hours=1)
"""So far a moment may lie ahead as clocks differ."""
TOKEN_GRACE_S: Final = 1.0
"""The server removes a question up to a second after its time."""


class FreshnessRules(Struct, frozen=True, kw_only=True):
    """How fresh answers shall be."""

    freshness_s: float = 300.0
    stretch: float = 4.0
    """A tag that never moves is asked up to this many times less often; 1 switches that off."""
    list_freshness_s: float = LIST_FRESHNESS_S
    """How old a repository's tags may be; 0: they are never listed."""


def period_s(rules: FreshnessRules, unmoved_for: timedelta) -> float:
    """Return how old an answer may become, given how long the tag has not moved.

    It grows evenly from one freshness for a tag that stood still for a week to `stretch` of them
    for one that stood still for `stretch` weeks.
    """
    return rules.freshness_s * _stretch(rules, unmoved_for)


def due_after_answer(
    rules: FreshnessRules, reference: str, checked_at: datetime, unmoved_for: timedelta
) -> datetime:
    """Tell when a reference with a conclusive answer is asked next."""
    return checked_at + timedelta(seconds=period_s(rules, unmoved_for) * _spread(reference))


def due_after_failure(
    rules: FreshnessRules, failed_at: datetime, failures: int, until: datetime | None
) -> datetime:
    """Tell when a reference whose check failed is asked next."""
    return _after_failure(rules.freshness_s, failed_at, failures, until)


def candidates_s(rules: FreshnessRules) -> float:
    """Tell after how many seconds a candidate that no host has is asked again, at the earliest."""
    return rules.list_freshness_s or LIST_FRESHNESS_S


def describe_again_s(rules: FreshnessRules) -> float:
    """Tell after how many seconds a digest whose description failed is asked about again."""
    return rules.freshness_s * DESCRIBE_AGAIN_PERIODS


def describe_again_at(
    rules: FreshnessRules, described_at: datetime, until: datetime | None
) -> datetime:
    """Tell when a digest is asked about again; `until`: when a registry's limit ends.

    Not later than without a limit: another registry may have the digest too, and is asked next.
    """
    again = described_at + timedelta(seconds=describe_again_s(rules))
    return again if until is None else min(max(until, described_at), again)


def spread_after_block(rules: FreshnessRules) -> timedelta:
    """Tell over how long the references of a registry are spread when it can be asked again."""
    return timedelta(seconds=rules.freshness_s * SPREAD)


def furthest(rules: FreshnessRules) -> dict[str, timedelta]:
    """Tell how far ahead a moment of each kind can lie."""
    block = BLOCKED_AT_MOST + CLOCKS_APART
    asked = timedelta(seconds=max(candidates_s(rules), _longest_s(rules, rules.freshness_s)))
    listed = timedelta(seconds=_longest_s(rules, candidates_s(rules)))
    described = timedelta(seconds=describe_again_s(rules))
    return {
        "checks": max(asked, block) + spread_after_block(rules),
        "lists": max(listed, block),
        "descriptions": max(described, block),
        "blocks": block,
        "hosts": CLOCKS_APART,
        "outdated": CLOCKS_APART,
        "newer": CLOCKS_APART,
        "bases": CLOCKS_APART,
    }


def question_ttl(rules: FreshnessRules) -> int:
    """Tell how long a question keeps others out, in whole seconds."""
    return max(1, int(rules.freshness_s))


def due_unanswered(rules: FreshnessRules, asked_at: datetime) -> datetime:
    """Tell when a question that stays without an answer is asked again."""
    return asked_at + timedelta(seconds=question_ttl(rules) + TOKEN_GRACE_S)


def lapsed_before(rules: FreshnessRules, now: datetime) -> datetime:
    """Tell since when a question must have been asked that may still be in its stream."""
    return now - timedelta(seconds=question_ttl(rules) + TOKEN_GRACE_S)


def due_refused(rules: FreshnessRules, refused_at: datetime) -> datetime:
    """Tell when to try again after the stream still held a question for the same reference."""
    return refused_at + timedelta(seconds=max(TOKEN_GRACE_S, rules.freshness_s / 10))


def due_after_list(
    rules: FreshnessRules, repository: str, listed_at: datetime, unchanged_for: timedelta
) -> datetime:
    """Tell when a repository is listed next, given how long its tags have not changed."""
    period = rules.list_freshness_s * _stretch(rules, unchanged_for)
    return listed_at + timedelta(seconds=period * _spread(repository))


def due_after_list_failure(
    rules: FreshnessRules, failed_at: datetime, failures: int, until: datetime | None
) -> datetime:
    """Tell when a repository that could not be listed is tried next."""
    return _after_failure(list_ttl(rules), failed_at, failures, until)


def list_ttl(rules: FreshnessRules) -> int:
    """Tell how long a question for tags keeps others out, in whole seconds."""
    return max(1, int(min(rules.list_freshness_s / 4, MOST_LIST_TTL_S)))


def lists_lapsed_before(rules: FreshnessRules, now: datetime) -> datetime:
    """Tell since when a question for tags must have been asked that may still be in its stream."""
    return now - timedelta(seconds=list_ttl(rules) + TOKEN_GRACE_S)


def list_due_unanswered(rules: FreshnessRules, asked_at: datetime) -> datetime:
    """Tell when a question for tags that stays without an answer is asked again."""
    return asked_at + timedelta(seconds=list_ttl(rules) + TOKEN_GRACE_S)


def _longest_s(rules: FreshnessRules, period_s: float) -> float:
    """Tell for how long something with such a period is not due, whatever happens."""
    return period_s * max(max(rules.stretch, 1.0) * (1 + SPREAD), FAILED_AT_MOST)


def _stretch(rules: FreshnessRules, unchanged_for: timedelta) -> float:
    weeks = unchanged_for / STRETCH_STARTS_AFTER
    return min(max(weeks, 1.0), max(rules.stretch, 1.0))


def _spread(name: str) -> float:
    return 1 + SPREAD * (zlib.crc32(name.encode()) % 1000) / 1000


def _after_failure(
    period_s: float, failed_at: datetime, failures: int, until: datetime | None
) -> datetime:
    """Wait longer each time, up to some periods; when a moment was named, until then."""
    if until is not None:
        return min(max(until, failed_at), failed_at + BLOCKED_AT_MOST)
    periods = min(2 ** min(max(failures - 1, 0), 10), FAILED_AT_MOST)
    return failed_at + timedelta(seconds=period_s * periods)

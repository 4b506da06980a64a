"""Questions that are due, and when each is due again after it was published."""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from imagedrift_ingest.core import freshness
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_schemas.v1 import Describe, List, Resolve

LIST_AGAIN: Final = timedelta(minutes=1)
"""A question for tags that could not be published is published again after so long."""

PublishOutcome: TypeAlias = Literal["asked", "already_there", "failed"]
"""`already_there`: the stream holds the same question; `failed`: it could not be published now."""


class DueTag(Struct, frozen=True):
    """A reference that is due, and the question about its tag."""

    ref_id: int
    question: Resolve


class DueDigest(Struct, frozen=True):
    """A digest whose content is not known, and the question about it."""

    ref_id: int
    """The reference in whose repository it is asked about."""
    question: Describe
    comparison_ids: tuple[int, ...]
    """The images for which it is asked."""


class DueList(Struct, frozen=True):
    """A repository whose tags are due to be listed, and the question for them."""

    list_id: int
    question: List


def next_check_at(outcome: PublishOutcome, rules: FreshnessRules, at: datetime) -> datetime | None:
    """Tell when a reference is due again; None: as before."""
    match outcome:
        case "asked":
            return freshness.due_unanswered(rules, at)
        case "already_there":
            return freshness.due_refused(rules, at)
        case "failed":
            return None


def next_description_at(
    outcome: PublishOutcome, rules: FreshnessRules, at: datetime
) -> datetime | None:
    """Tell when a digest is asked about again; None: as before."""
    match outcome:
        case "asked":
            return at + timedelta(seconds=freshness.describe_again_s(rules))
        case "already_there":
            return freshness.due_refused(rules, at)
        case "failed":
            return None


def next_list_at(outcome: PublishOutcome, rules: FreshnessRules, at: datetime) -> datetime:
    """Tell when a repository is due again."""
    match outcome:
        case "asked" | "already_there":
            return freshness.list_due_unanswered(rules, at)
        case "failed":
            return at + LIST_AGAIN

"""Questions about a reference."""

from datetime import datetime

from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Resolve


def question_about(reference: ImageReference, asked_at: datetime, fresh_since: datetime) -> Resolve:
    """Make the question where a tag points to now; an answer counts if it is from `fresh_since`."""
    return Resolve(
        registry=reference.registry,
        repository=reference.repository,
        tag=reference.effective_tag,
        asked_at=asked_at,
        fresh_since=fresh_since,
    )

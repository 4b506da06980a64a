"""A change is published under an identity that no other change ever has."""

from datetime import timedelta

from imagedrift_ingest.core.outbox import message_id
from support.ingest import NOW


def test_a_number_that_is_used_again_has_another_identity() -> None:
    """In an emptied database a repeated number has another identity."""
    assert message_id(7, NOW) == message_id(7, NOW)
    assert message_id(7, NOW) != message_id(7, NOW + timedelta(microseconds=1))
    assert message_id(7, NOW) != message_id(8, NOW)

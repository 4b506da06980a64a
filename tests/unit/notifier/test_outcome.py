"""The state of a message after a try."""

from datetime import timedelta

import pytest

from imagedrift_notifier.core.outcome import (
    GIVE_UP_AFTER,
    LONGEST_PAUSE,
    Delivered,
    Doubtful,
    Failed,
    next_step,
    pause,
)
from imagedrift_notifier.core.route import Channel

NEW = timedelta()
"""The age of a message that was just written."""


def test_what_was_taken_is_sent() -> None:
    """A channel that took the message ends it."""
    step = next_step(Delivered(), "apprise", 1, NEW)

    assert (step.state, step.error) == ("sent", "")


@pytest.mark.parametrize("channel", ["apprise", "webhook"])
def test_what_was_not_taken_is_tried_again_until_it_is_given_up(channel: Channel) -> None:
    """A failure is tried again later; after days the message has failed."""
    step = next_step(Failed("status 500"), channel, 2, NEW)
    late = next_step(Failed("status 500"), channel, 90, GIVE_UP_AFTER)

    assert (step.state, step.error, step.pause) == ("waiting", "status 500", pause(2))
    assert late.state == "failed"


def test_a_message_is_not_given_up_at_its_first_try_however_old_it_is() -> None:
    """A clock that jumps ahead, or a notifier that was off, makes a message old at once."""
    assert next_step(Failed("status 500"), "webhook", 1, GIVE_UP_AFTER * 10).state == "waiting"


def test_a_doubtful_message_is_sent_again_only_where_its_receiver_knows_it() -> None:
    """A webhook's receiver knows a message by its id; a chat does not."""
    doubt = Doubtful("no answer")

    assert next_step(doubt, "webhook", 1, NEW).state == "waiting"
    assert next_step(doubt, "apprise", 1, NEW).state == "doubtful"


def test_pauses_grow_up_to_a_bound() -> None:
    """Each pause is twice the one before, and none is longer than an hour."""
    assert [pause(n) for n in (1, 2, 3)] == [timedelta(seconds=s) for s in (30, 60, 120)]
    assert pause(50) == pause(1000) == LONGEST_PAUSE

"""The outcome of a try to send, and its meaning for the message.

| outcome     | webhook                       | any other channel                          |
|-------------|-------------------------------|--------------------------------------------|
| `Delivered` | sent                          | sent                                       |
| `Failed`    | tried again, after `GIVE_UP_AFTER` failed for good | the same              |
| `Doubtful`  | tried again, as its receiver knows the id | doubtful: never tried again    |

It is doubtful whether a message arrived where the connection ended, or the process, before an
answer came.
"""

from datetime import timedelta
from typing import Final, Literal, TypeAlias, assert_never

from msgspec import Struct

from imagedrift_notifier.core.route import Channel

FIRST_AFTER: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
GIVE_UP_AFTER: Final = timedelta(days=3)
FEWEST_TRIES: Final = 10
"""A message that is given up was tried over hours: one that a clock made old was not."""

MessageState = Literal["waiting", "sending", "sent", "failed", "doubtful"]


class Delivered(Struct, frozen=True, tag=True):
    """The channel took the message."""


class Failed(Struct, frozen=True, tag=True):
    """The channel did not take it. The reason never has a part of its address."""

    reason: str


class Doubtful(Struct, frozen=True, tag=True):
    """The channel may have taken it."""

    reason: str


SendOutcome: TypeAlias = Delivered | Failed | Doubtful


class NextStep(Struct, frozen=True, kw_only=True):
    """The state of a message from now on."""

    state: MessageState
    error: str = ""
    pause: timedelta = timedelta()
    """How long it is not tried, where it waits."""


def next_step(outcome: SendOutcome, channel: Channel, attempts: int, age: timedelta) -> NextStep:
    """Return the next step of a message after its last try."""
    match outcome:
        case Delivered():
            return NextStep(state="sent")
        case Doubtful() if channel != "webhook":
            return NextStep(state="doubtful", error=outcome.reason)
        case Failed() | Doubtful():
            is_over = age >= GIVE_UP_AFTER and attempts >= FEWEST_TRIES
            state: MessageState = "failed" if is_over else "waiting"
            return NextStep(state=state, error=outcome.reason, pause=pause(attempts))
        case _:
            assert_never(outcome)


def pause(attempts: int) -> timedelta:
    """Return how long to wait after so many tries."""
    return min(LONGEST_PAUSE, FIRST_AFTER * (1 << min(attempts - 1, 20)))

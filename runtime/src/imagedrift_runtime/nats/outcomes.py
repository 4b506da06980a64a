"""The outcomes of a message. Handlers return one; `acknowledge` turns it into an acknowledgement.

Done     handled for good: acknowledged; with a reason, something in it was refused: told in a
         dead letter
Retry    not now: delivered again after a delay
Reject   never: terminated, and kept as a dead letter with its reason
"""

from typing import TypeAlias

from msgspec import Struct


class Done(Struct, frozen=True):
    """Handled; need not be delivered again. `reason` and `error` tell what in it was refused."""

    reason: str = ""
    error: str = ""


class Retry(Struct, frozen=True):
    """Could not be handled now. Delivered again after `after` seconds."""

    reason: str
    after: float = 5.0


class Reject(Struct, frozen=True):
    """Cannot be handled, ever. `reason` is a word, `error` the sentence for an operator."""

    reason: str
    error: str = ""


HandlerOutcome: TypeAlias = Done | Retry | Reject

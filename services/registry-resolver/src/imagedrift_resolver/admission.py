"""The admission of a question to its registry: granted, with an outcome to be noted, or refused."""

from imagedrift_schemas.v1 import Failure


class NotAdmitted(Exception):
    """A question must not be asked now; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Admission:
    """A question that was admitted: its holder notes the outcome before the slot is released."""

    outcome: object = None
    """None: the question was given up."""

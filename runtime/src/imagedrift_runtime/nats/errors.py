"""The exceptions of NATS, each with its meaning.

BusError
├── NoBus         no server reached, or none that answers, or something of ours is missing there
├── NotPublished  not confirmed as stored; it may have been, all the same
├── NoAnswer      nobody answered a request in time
└── Refused       somebody answered that the request cannot be served
"""


class BusError(Exception):
    """NATS, or a service behind it, failed a request."""


class NoBus(BusError):
    """No NATS server could be reached, none let us in, or it does not answer."""


class NotPublished(BusError):
    """NATS has not confirmed that it stored the message."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code
        """JetStream's error code; 0 when the failure is another one."""


class NoAnswer(BusError):
    """No answer to the request came in time."""


class RequestRefused(BusError):
    """The request was answered with an error. A handler of `Bus.serve` raises it to do so."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text

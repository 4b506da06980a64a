"""The words between the notifier and a process that sends one message by Apprise.

request   JSON on its input: [address, title, text, seconds that it may take]
reports   JSON lines on its output: `Began` before anything is sent, then the outcome

Where the process ends, or is ended, after `Began` and before the outcome, the message may have
arrived. Before `Began` it has not.
"""

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from imagedrift_notifier.core.outcome import Delivered, Doubtful, Failed, SendOutcome
from imagedrift_notifier.core.secret_text import SecretText

MOST_OF_A_REPORT: Final = 4096


class SendRequest(Struct, frozen=True):
    """A message, and the channel that it takes."""

    address: SecretText
    title: str
    body: str
    within_s: float


class Began(Struct, frozen=True, tag=True):
    """From here on something may be sent."""

    kind: str
    """The kind of the channel; no part of its address."""


Report: TypeAlias = Began | Delivered | Failed | Doubtful


def request(address: SecretText, title: str, body: str, within_s: float) -> bytes:
    """Write a request."""
    return msgspec.json.encode((address.reveal(), title, body, within_s))


def read_request(content: bytes) -> SendRequest:
    """Read a request."""
    address, title, body, within_s = msgspec.json.decode(content, type=tuple[str, str, str, float])
    return SendRequest(SecretText(address), title, body, within_s)


def report(one: Report) -> bytes:
    """Write a report as a line."""
    return msgspec.json.encode(one) + b"\n"


def outcome(output: bytes, within_s: float) -> SendOutcome:
    """Read the outcome of a message from all reports of its process."""
    match _last_report(output):
        case None:
            return Failed("Apprise did not start")
        case Began(kind):
            return Doubtful(
                f"{kind}: no answer within {within_s:g} s and the memory that it may use"
            )
        case told:
            return told


def _last_report(output: bytes) -> Report | None:
    lines = output.split(b"\n")[:-1]  # what has no end is no report
    return msgspec.json.decode(lines[-1], type=Report) if lines else None

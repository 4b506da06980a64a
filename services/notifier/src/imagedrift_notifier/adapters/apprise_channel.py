"""Apprise: chats, mail and the like by one address each. This module alone imports it.

`python -m` of this module sends one message: `core.apprise_protocol` has its input and output.

Rules:
- Apprise says only whether all went well, and writes the reason to its own log, with parts of the
  address: so that log is off, and our error says which kind of channel failed and no more.
- It is doubtful whether a message arrived where a connection ended, or time passed, after it was
  sent. Apprise does not tell such a failure from another, so the libraries below it are watched.
- Apprise itself tries once, whatever an address asks for: only we know what may be sent again.
- A message is plain text, and Apprise told so: where a channel shows HTML, the text is escaped.
- Only its own kinds of channels are there: no plugins from files, nothing read from its settings.
"""

import logging
import os
import resource
import signal
import smtplib
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import apprise
import requests
from urllib3.exceptions import MaxRetryError

from imagedrift_notifier.core import apprise_protocol
from imagedrift_notifier.core.apprise_protocol import Began, SendRequest
from imagedrift_notifier.core.content import shortened
from imagedrift_notifier.core.outcome import Delivered, Doubtful, Failed, SendOutcome
from imagedrift_notifier.core.secret_text import SecretText

MOST_MEMORY: Final = 128 * 1024 * 1024
"""Bytes of data; Apprise itself takes 40 MB."""
_LEAST_WAIT_S: Final = 3.9
"""Apprise waits 4 s for an answer unless the address says otherwise (`rto`)."""
_NAME: Final = "imagedrift"

for _name in ("apprise", "requests", "urllib3"):  # and what is below them
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class UnknownAddress(Exception):
    """Apprise does not know this kind of address, or something is missing in it."""


def channel(address: SecretText) -> "apprise.NotifyBase":
    """Make the channel of an address. Raises `UnknownAddress`, without a part of it."""
    asset = apprise.AppriseAsset(
        app_id=_NAME, app_desc=_NAME, app_url="", plugin_paths=[], secure_logging=True
    )
    made = apprise.Apprise.instantiate(address.reveal(), asset=asset, suppress_exceptions=True)
    if made is None:
        raise UnknownAddress("is no address that Apprise knows, or something is missing in it")
    made.retry = 0
    return made


def address_fault(address: SecretText) -> str:
    """Name the fault of an address, without a part of it; empty when there is none."""
    try:
        channel(address)
    except UnknownAddress as error:
        return str(error)
    return ""


def fitting(made: "apprise.NotifyBase", title: str, body: str) -> tuple[str, str]:
    """Cut title and text to the room of a channel's single message, also where it joins both."""
    cut = shortened(title, made.title_maxlen or made.body_maxlen // 2)
    return cut, shortened(body, max(1, made.body_maxlen - len(cut) - 2))


def send(asked: SendRequest, report: Callable[[apprise_protocol.Report], object]) -> SendOutcome:
    """Send a message, and return the outcome; report before anything is sent."""
    try:
        made = channel(asked.address)
    except UnknownAddress as error:
        return Failed(str(error))
    title, body = fitting(made, asked.title, asked.body)
    kind = str(made.service_name)
    answers = _Answers()
    began = time.monotonic()
    report(Began(kind))
    try:
        has_arrived = made.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT)
    except BaseException as error:  # of any plugin; its words may have a part of the address
        return Doubtful(f"{kind}: {type(error).__name__}")
    if has_arrived:
        return Delivered()
    longest = float(made.socket_read_timeout or _LEAST_WAIT_S)
    if answers.is_one_missing(time.monotonic() - began >= min(_LEAST_WAIT_S, longest)):
        return Doubtful(f"{kind}: no answer")
    return Failed(f"{kind}: did not take it")


class _Answers:
    """Notices which requests had no answer, in the libraries that most channels use."""

    def __init__(self) -> None:
        self._asked = 0
        self._unanswered = 0
        self._watch(requests.Session, "send", _is_after_sending)
        self._watch(
            smtplib.SMTP, "data", lambda e: not isinstance(e, smtplib.SMTPResponseException)
        )

    def is_one_missing(self, was_slow: bool) -> bool:
        """Tell whether a request had no answer; of another library, whether it was slow."""
        return bool(self._unanswered) if self._asked else was_slow

    def _watch(self, of: type, name: str, is_unanswered: Callable[[Exception], bool]) -> None:
        real = getattr(of, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            self._asked += 1
            try:
                return real(*arguments, **named)
            except Exception as error:
                self._unanswered += is_unanswered(error)
                raise

        setattr(of, name, watched)


def _is_after_sending(error: Exception) -> bool:
    """Tell whether a request failed when it may have been sent: connecting is not sending."""
    is_before = isinstance(error, (requests.ConnectTimeout, ValueError))
    return not is_before and not any(isinstance(each, MaxRetryError) for each in error.args)


def _bound(within_s: float) -> None:
    """Bound this process in memory and time; its parent alone may end it before."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would have the address
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, within_s + 1)


def main() -> None:
    """Send the message of the request on the input."""
    reports = os.dup(sys.stdout.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a plugin may print

    def report(outcome: apprise_protocol.Report) -> None:
        os.write(reports, apprise_protocol.report(outcome))

    asked = apprise_protocol.read_request(sys.stdin.buffer.read())
    _bound(asked.within_s)
    report(send(asked, report))
    os._exit(0)  # whatever threads a plugin left


if __name__ == "__main__":
    main()

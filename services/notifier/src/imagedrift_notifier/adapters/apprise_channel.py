"""Apprise: chats, mail and the like by one address each. This module alone imports it.

Rules:
- Apprise says only whether all went well, and writes the reason to its own log, with parts of the
  address: so that log is off, and our error says which kind of channel failed and no more.
- A failure after as long as it waits for an answer is doubtful: the message may have arrived.
- A message has a thread of its own: one that hangs holds up its route, and neither another route
  nor the end of the service.
- A message is plain text, and Apprise told so: where a channel shows HTML, the text is escaped.
- Only its own kinds of channels are there: no plugins from files, nothing read from its settings.
"""

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from typing import Final

import apprise

from imagedrift_notifier.core.content import shortened
from imagedrift_notifier.core.outbound import OutboundMessage
from imagedrift_notifier.core.outcome import Delivered, Doubtful, Failed, SendOutcome
from imagedrift_notifier.core.secret_text import SecretText

WITHIN_S: Final = 25.0
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
    return made


def address_fault(address: SecretText) -> str:
    """Say what is wrong with an address, without a part of it; empty when nothing is."""
    try:
        channel(address)
    except UnknownAddress as error:
        return str(error)
    return ""


def fitting(made: "apprise.NotifyBase", title: str, body: str) -> tuple[str, str]:
    """Cut title and text to what a channel takes in one piece, also where it joins both."""
    cut = shortened(title, made.title_maxlen or made.body_maxlen // 2)
    return cut, shortened(body, max(1, made.body_maxlen - len(cut) - 2))


class AppriseSender:
    """Sends messages."""

    def __init__(self, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s
        self._last: dict[str, Future[bool]] = {}
        """The last message of each route."""

    async def send(self, address: SecretText, message: OutboundMessage) -> SendOutcome:
        """Send a message, and tell what came of it."""
        try:
            made = channel(address)
        except UnknownAddress as error:
            return Failed(str(error))
        kind = str(made.service_name)
        if (last := self._last.get(message.route)) and not last.done():
            return Failed(f"{kind}: the message before still hangs")
        began = time.monotonic()
        self._last[message.route] = sending = _started(made, message)
        try:
            async with asyncio.timeout(self._within_s):
                has_arrived = await asyncio.shield(asyncio.wrap_future(sending))
        except TimeoutError:
            return Doubtful(f"{kind}: no answer within {self._within_s:g} s")
        except Exception as error:  # of any plugin; its words may have a part of the address
            return Failed(f"{kind}: {type(error).__name__}")
        if has_arrived:
            return Delivered()
        waited = time.monotonic() - began
        if waited >= min(_LEAST_WAIT_S, float(made.socket_read_timeout or _LEAST_WAIT_S)):
            return Doubtful(f"{kind}: no answer")
        return Failed(f"{kind}: did not take it")


def _started(made: "apprise.NotifyBase", message: OutboundMessage) -> Future[bool]:
    """Begin to send a message in a thread that the end of the process does not wait for."""
    title, body = fitting(made, message.title, message.body)
    sending: Future[bool] = Future()

    def run() -> None:
        try:
            plain = apprise.NotifyFormat.TEXT
            sending.set_result(bool(made.notify(title=title, body=body, body_format=plain)))
        except BaseException as error:
            sending.set_exception(error)

    threading.Thread(target=run, name="apprise", daemon=True).start()
    return sending

"""A process for each message that Apprise carries: bounded in time and memory, whatever answers.

Rules:
- What a channel answers is read by code that is not ours, in part without a bound. So the process
  has one of its memory, and is killed when its time is over.
- Its input holds the address: an argument or a variable could be seen by others.
- It is a session of its own: whoever stops the service does not stop a message half-way.
- It ends by itself shortly after its time, also where the notifier was killed before.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import Final

from imagedrift_notifier.core import apprise_protocol
from imagedrift_notifier.core.apprise_protocol import MOST_OF_A_REPORT
from imagedrift_notifier.core.outbound import OutboundMessage
from imagedrift_notifier.core.outcome import Failed, SendOutcome
from imagedrift_notifier.core.secret_text import SecretText

WITHIN_S: Final = 25.0
PROGRAM: Final = (
    "-P",
    "-m",
    "imagedrift_notifier.adapters.apprise_channel",
)  # -P: not what lies here


class AppriseSender:
    """Sends messages."""

    def __init__(self, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s

    async def send(self, address: SecretText, message: OutboundMessage) -> SendOutcome:
        """Send a message, and return the outcome."""
        asked = apprise_protocol.request(address, message.title, message.body, self._within_s)
        try:
            output = await self._output(asked)
        except OSError as error:
            return Failed(f"Apprise cannot be started: {error.strerror}")
        return apprise_protocol.outcome(output, self._within_s)

    async def _output(self, asked: bytes) -> bytes:
        """Run the process, and return all that it reported."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *PROGRAM,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
        )
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(asked)
            process.stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._within_s):
                    await process.wait()
        finally:
            await _end(process)
        return await process.stdout.read(MOST_OF_A_REPORT)


async def _end(process: Process) -> None:
    """Kill the process, and all that it started, unless it has ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

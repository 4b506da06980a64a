"""What becomes of a message: an outcome is turned into an acknowledgement.

Rules:
- `Done` acknowledges; twice where it has to be sure, which waits for the server's word. Where it
  has a reason, something in the message was refused, and a dead letter says so first.
- `Retry` asks for delivery after a delay. `Reject` writes a dead letter, then terminates: in this
  order, so that a letter that cannot be written leaves the message to come again.
- What fails here is logged and nothing more: an unacknowledged message comes again, and handling
  it twice is harmless.
"""

from typing import Any, assert_never

import structlog

from imagedrift_runtime import metrics
from imagedrift_runtime.bus import Bus
from imagedrift_runtime.clock import now
from imagedrift_runtime.delivery import delivery
from imagedrift_runtime.link import CALL_WITHIN_S
from imagedrift_runtime.outcomes import Done, Outcome, Reject, Retry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import DeadLetter

log = structlog.get_logger()

PAYLOAD_KEPT = 64 * 1024
ERROR_KEPT = 2_000


class Settle:
    """Acknowledges messages by their outcomes, on behalf of one service."""

    def __init__(self, bus: Bus, service: str, *, sure: bool) -> None:
        self._bus = bus
        self._service = service
        self._sure = sure

    async def __call__(self, message: Any, outcome: Outcome) -> None:
        """Acknowledge `message`."""
        kind = type(outcome).__name__.lower()
        metrics.handled.add(stream=message.metadata.stream, outcome=kind)
        try:
            await self._settle(message, outcome)
        except Exception as error:  # of NATS, of the connection, of the letter's content
            log.warning(
                "acknowledgement.failed", subject=message.subject, outcome=kind, error=repr(error)
            )

    async def _settle(self, message: Any, outcome: Outcome) -> None:
        match outcome:
            case Done():
                if outcome.reason:
                    await self._bury(message, outcome)
                await (message.ack_sync(CALL_WITHIN_S) if self._sure else message.ack())
            case Retry():
                await message.nak(delay=outcome.after)
            case Reject():
                await self._bury(message, outcome)
                await message.term()
            case _:
                assert_never(outcome)

    async def _bury(self, message: Any, outcome: Done | Reject) -> None:
        refused = delivery(message)
        letter = DeadLetter(
            service=self._service,
            subject=refused.subject,
            stream=refused.stream,
            stream_seq=refused.stream_seq,
            reason=outcome.reason,
            error=outcome.error[:ERROR_KEPT].encode(errors="replace").decode(),
            received_at=now(),
            payload=refused.payload[:PAYLOAD_KEPT],
        )
        log.warning(
            "message.rejected", subject=letter.subject, reason=letter.reason, error=letter.error
        )
        # A message that is refused twice, as its termination was lost, is one letter.
        once = f"{self._service}.{refused.stream}.{refused.stream_seq}.{refused.stored_at:%s.%f}"
        await self._bus.publish(subjects.dead(self._service), codec.encode(letter), message_id=once)

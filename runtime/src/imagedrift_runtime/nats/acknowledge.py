"""Acknowledgement: an outcome is turned into an acknowledgement.

Rules:
- `Done` acknowledges. Where it has a reason, something in the message was refused, and a dead
  letter says so first.
- `Retry` asks for delivery after a delay. `Reject` writes a dead letter, then terminates: in this
  order, so that a letter that cannot be written leaves the message to come again. Not every one
  has a letter of its own: see `dead_letters`.
- What fails here is logged and nothing more, and the server's word is not waited for: a message
  whose acknowledgement is lost comes again, and handling it twice is harmless.
"""

from typing import Any, assert_never

from imagedrift_runtime import metrics
from imagedrift_runtime.clock import now
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.dead_letters import DueLetter
from imagedrift_runtime.nats.delivery import Delivery, delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject, Retry
from imagedrift_schemas import codec, dead_letters, subjects
from imagedrift_schemas.v1 import DeadLetter

log = get_logger()


class Acknowledger:
    """Acknowledges messages by their outcomes, on behalf of one service."""

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self._service = service
        self._letters = bus.dead_letters

    async def __call__(self, message: Any, outcome: HandlerOutcome) -> None:
        """Acknowledge `message`."""
        kind = type(outcome).__name__.lower()
        metrics.handled.add(stream=message.metadata.stream, outcome=kind)
        try:
            await self._acknowledge(message, outcome)
        except Exception as error:  # of NATS, of the connection, of the letter's content
            log.warning(
                "acknowledgement.failed", subject=message.subject, outcome=kind, error=repr(error)
            )

    async def _acknowledge(self, message: Any, outcome: HandlerOutcome) -> None:
        match outcome:
            case Done():
                if outcome.reason:
                    await self._store_dead_letter(message, outcome)
                await message.ack()
            case Retry():
                await message.nak(delay=outcome.after)
            case Reject():
                await self._store_dead_letter(message, outcome)
                await message.term()
            case _:
                assert_never(outcome)

    async def _store_dead_letter(self, message: Any, outcome: Done | Reject) -> None:
        due = self._letters.refused(message.subject, outcome.reason, now())
        if due is None:
            return
        try:
            await self._write(delivery(message), outcome.reason, outcome.error, due)
        except BaseException:
            self._letters.not_written(message.subject, outcome.reason, due)
            raise

    async def _write(self, refused: Delivery, reason: str, error: str, due: DueLetter) -> None:
        told = DeadLetter(
            service=self._service,
            subject=refused.subject,
            stream=refused.stream,
            stream_seq=refused.stream_seq,
            reason=reason,
            error=error,
            received_at=now(),
            payload=refused.payload if due.with_payload else b"",
            times=due.times,
        )
        letter = dead_letters.bounded(told)
        log.warning(
            "message.rejected",
            subject=letter.subject,
            reason=letter.reason,
            error=letter.error,
            times=letter.times,
        )
        # A message that is refused twice, as its termination was lost, is one letter.
        once = f"{self._service}.{refused.stream}.{refused.stream_seq}.{refused.stored_at:%s.%f}"
        await self._bus.publish(subjects.dead(self._service), codec.encode(letter), message_id=once)

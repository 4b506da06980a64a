"""Noting changed verdicts: what is due of their images is claimed, then the message acknowledged.

A crash before the claim leaves the message to come again; one after it brings the message again to
what is claimed already, and nothing happens. The message only says where to look: what is told is
read from `ops.due`.
"""

from collections.abc import Sequence

from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_notifier.usecases.claiming import Claiming
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject, Retry
from imagedrift_schemas import codec
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import Changed


class NoteChanges:
    """Handles batches of `DRIFT_CHANGED`."""

    def __init__(self, claiming: Claiming) -> None:
        self._claiming = claiming

    async def handle(self, deliveries: Sequence[Delivery]) -> list[HandlerOutcome]:
        """Claim the due images of a batch; return one outcome for each message."""
        read = [_reference(each) for each in deliveries]
        references = dict.fromkeys(each for each in read if isinstance(each, str))
        try:
            states = await self._claiming.states()
            for portion in await self._claiming.portions(list(references)):
                await self._claiming.claim(dict.fromkeys(portion, states), states)
        except DatabaseUnreachable as error:
            return [Retry(str(error)) if isinstance(each, str) else each for each in read]
        return [Done() if isinstance(each, str) else each for each in read]


def _reference(delivery: Delivery) -> str | Reject:
    """Read which image a message is about."""
    try:
        changed = codec.decode(delivery.payload, Changed)
    except Malformed as error:
        return Reject("malformed", str(error))
    return f"{changed.registry}/{changed.repository}:{changed.tag}"

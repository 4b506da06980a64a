"""A store of inventories of the test's own."""

from collections.abc import Mapping, Sequence

from imagedrift_ingest.core.images import HostImages
from imagedrift_ingest.core.inventories import HostName, ReceivedInventory
from imagedrift_ingest.errors import (
    DatabaseTooSlow,
    DatabaseUnavailable,
    DataRejected,
    MissingImages,
)
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_schemas import codec, subjects
from support.ingest import NOW, image, inventory
from support.virtual_time import StillClock


class Hosts:
    """Keeps inventories in memory; refuses a host called `refused`, takes too long on `slow`."""

    def __init__(self, *, changed: bool = True, away: bool = False) -> None:
        self.stored: dict[HostName, HostImages] = {}
        self.batches = 0
        self.order: list[str] = []
        self._changed = changed
        self._away = away
        self.clock = StillClock()
        self.takes_s = 0.0

    async def changed(self, received: Sequence[ReceivedInventory]) -> set[HostName]:
        """Everything, or nothing."""
        if self._away:
            raise DatabaseUnavailable("away")
        return {one.name for one in received} if self._changed else set()

    async def store(
        self,
        epoch: int,
        received: Sequence[ReceivedInventory],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool,
    ) -> set[int]:
        """Store, unless something is wrong."""
        self.batches += 1
        self.clock.at += self.takes_s
        self.order += [one.host for one in received if one.name in images]
        if any(one.host == "refused" for one in received):
            raise DataRejected("no")
        if any(one.host.startswith("slow") for one in received):
            raise DatabaseTooSlow("30 s")
        missing = {one.name for one in received} - images.keys()
        if missing:
            raise MissingImages(missing)
        self.stored |= images
        return set()


def delivery(subject: str, payload: bytes, seq: int = 1) -> Delivery:
    """A message as it is delivered."""
    return Delivery(subject, payload, "S", seq, 1, NOW)


def reported(host: str, seq: int = 1) -> Delivery:
    """An inventory as it is delivered."""
    payload = codec.encode(inventory(host, [image()]))
    return delivery(subjects.inventory("fra1", host), payload, seq)

"""Publish to NATS: JetStream stores inventories, and does not store heartbeats."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from imagedrift_agent.core.payload import fitting
from imagedrift_agent.reporter import PublishFailed
from imagedrift_runtime.health import Health
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.errors import NoBus, NotPublished
from imagedrift_runtime.nats.results import Stored
from imagedrift_schemas import subjects
from imagedrift_schemas.codec import encode
from imagedrift_schemas.v1 import Alive, Inventory

PROBE_EVERY_S = 60.0
"""How often the connection is tried: 100,000 hosts do it, and NATS pings them anyway."""


class JetStreamPublisher:
    """The connection of one host."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, inventory: Inventory) -> Inventory:
        """Store an inventory in place of the last one, cut to fit. Raises `PublishFailed`."""
        subject = subjects.inventory(inventory.site, inventory.host)
        stored_part, payload = fitting(inventory, self._bus.max_payload)
        try:
            stored = await self._bus.publish(subject, payload)
        except NotPublished as error:
            raise PublishFailed(_explained(str(error), inventory, subject)) from error
        if not isinstance(stored, Stored):
            raise PublishFailed(
                f"{subject}: its stream keeps the one before: run `imagedrift streams`"
            )
        return stored_part

    async def send_heartbeat(self, alive: Alive) -> None:
        """Send a heartbeat. Raises `PublishFailed`."""
        try:
            await self._bus.say(subjects.alive(alive.site, alive.host), encode(alive))
        except NotPublished as error:
            raise PublishFailed(str(error)) from error


def _explained(fault: str, inventory: Inventory, subject: str) -> str:
    """Name both sides of a refused permission: the settings here, and the user's subjects there."""
    if "permissions violation" not in fault.lower() or subject not in fault:
        return fault
    return (
        f"the NATS user may not publish {subject}: IMAGEDRIFT_SITE={inventory.site} and "
        f"IMAGEDRIFT_HOST_ID={inventory.host} here, and the permissions of the user on the NATS "
        f"server, must be of one site and host ({fault})"
    )


@asynccontextmanager
async def connected(
    urls: Sequence[str],
    site: str,
    host: str,
    *,
    credentials: str,
    ca: str,
    tls_first: bool = False,
    urls_file: str = "",
    health: Health | None = None,
) -> AsyncIterator[JetStreamPublisher]:
    """Connect for the length of an `async with`.

    Raises `PublishFailed` when no server accepts the connection.
    """
    try:
        async with connect(
            urls,
            f"imagedrift-agent {host}",
            credentials=credentials,
            ca=ca,
            tls_first=tls_first,
            urls_file=urls_file,
            health=health,
            spool=False,  # the newest inventory is ours to keep; older ones must not come late
            inbox=subjects.inbox(site, host),
            probe_every_s=PROBE_EVERY_S,
        ) as bus:
            yield JetStreamPublisher(bus)
    except NoBus as error:
        raise PublishFailed(str(error)) from error

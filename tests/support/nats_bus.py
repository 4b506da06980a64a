"""A bus on a real server, and streams of a test's own."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from imagedrift_runtime.health import Health
from imagedrift_runtime.nats.bus import Bus, over
from imagedrift_runtime.nats.connect_options import ConnectOptions
from imagedrift_runtime.nats.connection import CALL_WITHIN_S, PROBE_EVERY_S, Connection
from support.nats_client import jetstream


@asynccontextmanager
async def opened(
    url: str,
    *,
    health: Health | None = None,
    probe_every_s: float = PROBE_EVERY_S,
    call_within_s: float = CALL_WITHIN_S,
    **options: Any,
) -> AsyncIterator[tuple[Bus, Connection]]:
    """Open a bus together with its connection, for tests of the connection itself."""
    wanted = ConnectOptions(urls=(url,), name="test", **options)
    connection = Connection(wanted, health, probe_every_s, call_within_s)
    async with over(connection) as bus:
        yield bus, connection


def end_read_loop(client: Any) -> None:
    """End what reads from the server, as defects of nats-py do without a word (nats.py #914)."""
    client._reading_task.cancel()  # noqa: SLF001 - nothing public ends it


def end_reconnection(client: Any) -> None:
    """End what reconnects, as defects of nats-py do without a word (nats.py #204)."""
    client._reconnection_task.cancel()  # noqa: SLF001 - nothing public ends it


async def send_away(client: Any, reason: str) -> None:
    """Let a client read that the server ends its connection for good."""
    await client._process_err(f"'{reason}'")  # noqa: SLF001 - a server says it after hours


class OwnStream:
    """A stream with one durable consumer, under names that no other test has."""

    def __init__(self, bus: Bus, js: Any = None) -> None:
        self.bus = bus
        self._js = js or jetstream(bus)
        token = uuid.uuid4().hex[:12]
        self.name = f"T_{token}"
        self.subject = f"t.{token}"
        self.consumer = "worker"

    @classmethod
    async def make(
        cls,
        bus: Bus,
        *,
        js: Any = None,
        consumer: dict[str, Any] | None = None,
        dead_letters: bool = False,
        **config: Any,
    ) -> "OwnStream":
        """Create the stream and its consumer; `dead_letters` makes it keep those of its service.

        `js` is a context of nats-py, for a server that lets no stranger in.
        """
        own = cls(bus, js)
        subjects = own.subjects if dead_letters else own.subjects[:1]
        await own._js.add_stream(name=own.name, subjects=subjects, **config)
        await own.make_consumer(**(consumer or {}))
        return own

    @property
    def subjects(self) -> list[str]:
        """The subject of messages, and that of dead letters."""
        return [f"{self.subject}.>", f"drift.v1.dead.{self.name}"]

    async def take_dead_letters(self) -> None:
        """Let the stream keep the dead letters of its service from now on."""
        await self._js.update_stream(name=self.name, subjects=self.subjects)

    async def make_consumer(self, **config: Any) -> None:
        """Create the durable consumer."""
        defaults = {
            "durable_name": self.consumer,
            "ack_policy": "explicit",
            "ack_wait": 30,
            "filter_subject": f"{self.subject}.>",
        }
        from nats.js.api import ConsumerConfig

        await self._js.add_consumer(self.name, ConsumerConfig(**(defaults | config)))

    async def fill(self, count: int) -> None:
        """Store messages 0 to `count` - 1, each under a subject of its own."""
        for number in range(count):
            await self.bus.publish(f"{self.subject}.{number}", str(number).encode())

    async def waiting(self) -> int:
        """How many messages are neither acknowledged nor in flight."""
        return (await self.bus.lag(self.name, self.consumer)).pending

    async def in_flight(self) -> int:
        """How many messages are delivered and not acknowledged."""
        return (await self.bus.lag(self.name, self.consumer)).in_flight

    async def delete(self) -> None:
        """Remove the stream."""
        await self._js.delete_stream(self.name)

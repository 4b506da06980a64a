"""A bus on a real server, and streams of a test's own."""

import uuid
from typing import Any

from imagedrift_runtime.nats.bus import Bus


class OwnStream:
    """A stream with one durable consumer, under names that no other test has."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        token = uuid.uuid4().hex[:12]
        self.name = f"T_{token}"
        self.subject = f"t.{token}"
        self.consumer = "worker"

    @classmethod
    async def make(
        cls,
        bus: Bus,
        *,
        consumer: dict[str, Any] | None = None,
        dead_letters: bool = False,
        **config: Any,
    ) -> "OwnStream":
        """Create the stream and its consumer; `dead_letters` makes it keep those of its service."""
        own = cls(bus)
        subjects = [f"{own.subject}.>"]
        if dead_letters:
            subjects.append(f"drift.v1.dead.{own.name}")
        await bus.js.add_stream(name=own.name, subjects=subjects, **config)
        await own.make_consumer(**(consumer or {}))
        return own

    async def make_consumer(self, **config: Any) -> None:
        """Create the durable consumer."""
        defaults = {
            "durable_name": self.consumer,
            "ack_policy": "explicit",
            "ack_wait": 30,
            "filter_subject": f"{self.subject}.>",
        }
        from nats.js.api import ConsumerConfig

        await self.bus.js.add_consumer(self.name, ConsumerConfig(**(defaults | config)))

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
        await self.bus.js.delete_stream(self.name)

"""A key-value bucket: the newest value of each key, read from the leader.

Rules:
- A read goes to the stream's leader: a replica may answer with what was there before.
- A key that was deleted, or whose value expired under a marker, reads as None and can be made
  anew. (nats-py shows an expired one as an entry without a value, and refuses to create it. We set
  no limit markers, yet somebody may.)
"""

from collections.abc import Mapping
from typing import Any, Protocol

from imagedrift_runtime.nats.connection import Connection
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_runtime.nats.results import AlreadyThere, BucketEntry, Stored
from imagedrift_runtime.nats.stream_api import last_message

WRONG_REVISION = (10071, 10164)
"""JetStream's errors for another last sequence than the one expected."""

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"


class BucketWriter(Protocol):
    """Where a value is written: the bus."""

    async def publish(
        self, subject: str, payload: bytes, *, headers: Mapping[str, str] | None = None
    ) -> Stored | AlreadyThere:
        """Store a message. Raises `NotPublished`."""


class Bucket:
    """A key-value bucket."""

    def __init__(self, name: str, connection: Connection, writer: BucketWriter) -> None:
        self.name = name
        self.stream = f"KV_{name}"
        self._connection = connection
        self._writer = writer
        self._prefix = f"$KV.{name}."

    async def get(self, key: str) -> BucketEntry | None:
        """Read the newest value; None when there is none. Raises `NoBus`."""
        message = await self._last(key)
        if message is None or _is_marker(message.headers):
            return None
        return BucketEntry(message.data or b"", message.seq)

    async def put(self, key: str, value: bytes) -> int:
        """Write a value and return the new revision. Raises `NotPublished`."""
        return await self._store(key, value, {})

    async def replace(self, key: str, value: bytes, revision: int) -> int | None:
        """Write a value if `revision` (0: none yet) is still the newest; None when it is not."""
        try:
            return await self._store(key, value, {_EXPECTED: str(revision)})
        except NotPublished as error:
            if error.code not in WRONG_REVISION:
                raise
        if revision:
            return None
        marker = await self._last(key)  # "none yet" is true of a deleted one too
        if marker is None or not _is_marker(marker.headers):
            return None
        return await self.replace(key, value, marker.seq)

    async def _last(self, key: str) -> Any:
        return await last_message(self._connection, self.stream, self._prefix + key)

    async def _store(self, key: str, value: bytes, headers: dict[str, str]) -> int:
        stored = await self._writer.publish(self._prefix + key, value, headers=headers)
        if not isinstance(stored, Stored):
            raise NotPublished(f"{self.name}/{key}: the bucket holds more than one value of a key")
        return stored.seq


def _is_marker(headers: Mapping[str, str] | None) -> bool:
    """Tell whether a message stands for a value that is gone: deleted, purged or expired."""
    told = headers or {}
    return told.get("KV-Operation") in ("DEL", "PURGE") or "Nats-Marker-Reason" in told

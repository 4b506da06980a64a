"""Backing up and restoring a stream as `nats stream backup` and `nats stream restore` do."""

import json
from typing import Any

from msgspec import Struct

from imagedrift_runtime.nats.bus import Bus
from support.nats_client import nats_client

CHUNK = 64 * 1024
WITHIN_S = 10.0


class Backup(Struct, frozen=True):
    """A stream with its messages and consumers."""

    config: dict[str, Any]
    state: dict[str, Any]
    chunks: list[bytes]


async def back_up(bus: Bus, stream: str) -> Backup:
    """Take a backup while everything goes on."""
    async with nats_client(bus) as client:
        inbox = client.new_inbox()
        received = await client.subscribe(inbox)
        wanted = {"deliver_subject": inbox, "chunk_size": CHUNK}
        answer = await _call(client, f"STREAM.SNAPSHOT.{stream}", wanted)
        chunks = []
        while chunk := await received.next_msg(timeout=WITHIN_S):
            if not chunk.data:
                break
            chunks.append(chunk.data)
            if chunk.reply:
                await chunk.respond(b"")
    return Backup(answer["config"], answer["state"], chunks)


async def restore(bus: Bus, backup: Backup) -> None:
    """Put a backup in the place of its stream."""
    name = backup.config["name"]
    async with nats_client(bus) as client:
        await client.jetstream().delete_stream(name)
        wanted = {"config": backup.config, "state": backup.state}
        answer = await _call(client, f"STREAM.RESTORE.{name}", wanted)
        for chunk in [*backup.chunks, b""]:
            done = await client.request(answer["deliver_subject"], chunk, timeout=WITHIN_S)
            if done.data and (error := json.loads(done.data).get("error")):
                raise AssertionError(f"{name} is not restored: {error}")


async def _call(client: Any, name: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.request(f"$JS.API.{name}", json.dumps(body).encode(), timeout=10)
    reply: dict[str, Any] = json.loads(answer.data)
    if "error" in reply:
        raise AssertionError(f"{name}: {reply['error']}")
    return reply

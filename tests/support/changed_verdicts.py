"""Changed verdicts of the small fleet, published as ingest does."""

import asyncio
from contextlib import suppress
from typing import Any

from nats.js.errors import NotFoundError

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Changed
from support.nats_client import jetstream

NGINX = {"registry": "docker.io", "repository": "library/nginx", "tag": "1.27"}
REDIS = {"registry": "docker.io", "repository": "library/redis", "tag": "7"}
ID_OF = {"library/nginx": "sha256:" + "01" * 32, "library/redis": "sha256:" + "02" * 32}


def changed(of: dict[str, str], **more: Any) -> Changed:
    """A change of an image that hosts of the small fleet have."""
    told: dict[str, Any] = {
        "platform": "linux/amd64", "image_id": ID_OF.get(of["repository"], ""),
        "from_verdict": "current", "from_reason": "digest_match", "to_verdict": "outdated",
        "to_reason": "digest_differs", "changed_at": now(), "hosts": 4, "running_hosts": 2,
    }  # fmt: skip
    return Changed(**(of | told | more))


def publish(url: str, *messages: Changed) -> None:
    """Publish changes as ingest does."""

    async def all_of_them() -> None:
        async with bus.connect((url,), "test") as connected:
            for each in messages:
                subject = subjects.changed(each.registry, each.repository, each.tag)
                await connected.publish(subject, codec.encode(each))

    asyncio.run(all_of_them())


def drop(url: str, keep: int) -> None:
    """Remove all changes but the newest ones."""

    async def purge() -> None:
        async with bus.connect((url,), "test") as connected:
            await jetstream(connected).purge_stream(subjects.STREAM_CHANGED, keep=keep)

    asyncio.run(purge())


def forget(url: str) -> None:
    """Remove the stream, which `imagedrift streams` then makes anew: no change was ever in it."""

    async def remove() -> None:
        async with bus.connect((url,), "test") as connected:
            with suppress(NotFoundError):
                await jetstream(connected).delete_stream(subjects.STREAM_CHANGED)

    asyncio.run(remove())

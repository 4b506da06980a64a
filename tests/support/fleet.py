"""The system at work on one machine, and hosts that say on NATS what they have.

async with system(tmp_path, registry) as running:
    image = pulled(registry, "app")
    await running.hosts.have("web-1", image)
    await running.operator.sees(image.reference, verdict="current")
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_sandbox.stack import Stack, named_registry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Inventory, LocalImage
from support.operator import Operator

SITE = "test"
PLATFORM = "linux/amd64"
AGAIN_S = 0.1


def pulled(
    registry: SandboxRegistry, repository: str, tag: str = "1", *, seed: int = 0, **facts: Any
) -> LocalImage:
    """Push an image, and say it as a host that pulled it right then."""
    pushed = registry.push_image(repository, tag, seed=seed)
    given: dict[str, Any] = {
        "reference": registry.reference(repository, tag),
        "image_id": pushed.configs[PLATFORM],
        "repo_digests": (pushed.digest,),
        "platform": PLATFORM,
    }
    return LocalImage(**(given | facts))


def inventory(host: str, images: Iterable[LocalImage], **facts: Any) -> Inventory:
    """The inventory of a host with these images."""
    listed = tuple(images)
    given: dict[str, Any] = {
        "site": SITE,
        "host": host,
        "taken_at": now(),
        "content": codec.content_hash(listed),
        "images": listed,
    }
    return Inventory(**(given | facts))


class Hosts:
    """Hosts that say what they have, each until it is acknowledged, as an agent does."""

    def __init__(self, connection: Bus) -> None:
        self.bus = connection

    async def have(self, host: str, *images: LocalImage, **facts: Any) -> None:
        """Let a host report exactly these images."""
        message = inventory(host, images, **facts)
        await self.say(subjects.inventory(message.site, message.host), codec.encode(message))

    async def say(self, subject: str, payload: bytes) -> None:
        """Publish until NATS has it: an outage only delays what is said."""
        while True:
            try:
                await self.bus.publish(subject, payload)
            except NotPublished:
                await asyncio.sleep(AGAIN_S)
            else:
                return


class System(NamedTuple):
    """The running system, its hosts and its operator."""

    stack: Stack
    hosts: Hosts
    operator: Operator


@asynccontextmanager
async def system(
    home: Path,
    *registries: SandboxRegistry | str,
    also: str = "",
    freshness_s: int = 300,
    ingests: int = 1,
    resolvers: int = 1,
) -> AsyncIterator[System]:
    """Run servers and services around the registries, which may be asked over plain HTTP.

    `also` is what registries.toml says of further ones.
    """
    hosts = [each if isinstance(each, str) else each.host for each in registries]
    text = named_registry(*hosts, extra=[also])
    async with Stack.running(home, registries_toml=text, freshness_s=freshness_s) as stack:
        await asyncio.gather(
            *(stack.start_ingest() for _ in range(ingests)),
            *(stack.start_resolver() for _ in range(resolvers)),
        )
        async with bus.connect([stack.nats.url], "test", spool=False) as connection:
            yield System(stack, Hosts(connection), Operator(stack.dsn))

"""A registry is asked once per reference and freshness period, for any number of hosts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_sandbox.stack import Stack, named_registry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Inventory, LocalImage
from support.operator import Operator
from support.polling import until

IMAGES = 20
FRESHNESS_S = 300


@pytest.fixture
async def registry() -> AsyncIterator[SandboxRegistry]:
    """A registry that counts its requests."""
    async with SandboxRegistry().serving() as serving:
        yield serving


@pytest.fixture
async def stack(registry: SandboxRegistry, tmp_path: Path) -> AsyncIterator[Stack]:
    """Two resolver processes and one ingest process around the registry."""
    text = named_registry(registry.host)
    async with Stack.running(tmp_path, registries_toml=text, freshness_s=FRESHNESS_S) as running:
        await running.start_ingest()
        await running.start_resolver()
        await running.start_resolver()
        yield running


def twenty_images(registry: SandboxRegistry) -> tuple[LocalImage, ...]:
    """Push twenty images, and publish them as a host that pulled them all."""
    images = []
    for number in range(IMAGES):
        pushed = registry.push_image(f"app/{number}", "1", seed=number)
        images.append(
            LocalImage(
                reference=registry.reference(f"app/{number}", "1"),
                image_id=pushed.configs["linux/amd64"],
                repo_digests=(pushed.digest,),
            )
        )
    return tuple(images)


async def test_p3_two_hosts_and_two_resolvers_cost_one_request_per_reference(
    stack: Stack, registry: SandboxRegistry
) -> None:
    """Two hosts with the same twenty images cost the registry 20 HEADs, not 40."""
    images = twenty_images(registry)

    async with bus.connect([stack.nats.url], "test") as connection:
        for host in ("one", "two"):
            inventory = Inventory(
                site="test",
                host=host,
                taken_at=now(),
                content=codec.content_hash(images),
                images=images,
            )
            await connection.publish(subjects.inventory("test", host), codec.encode(inventory))

    operator = Operator(stack.dsn)
    await until(
        lambda: operator.ask(
            "SELECT 1 FROM ops.comparisons WHERE verdict = 'current' HAVING count(*) = $1",
            2 * IMAGES,
        ),
        what="both hosts' images are judged",
    )
    totals = registry.totals()
    assert totals.head_requests == IMAGES
    assert totals.get_requests == 0

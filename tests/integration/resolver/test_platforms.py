"""Descriptions of digests, on real servers."""

from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry, Shape
from imagedrift_schemas.v1 import Child, Missing
from support.resolver import trusting, working

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")


@pytest.mark.parametrize("shape", [Shape.INDEX, Shape.PLAIN_INDEX, Shape.NESTED_INDEX])
async def test_an_indexs_children_are_told_by_platform(
    fresh_nats: NatsServer, tmp_path: Path, shape: Shape
) -> None:
    """Attestations left out, nested ones looked into; a configuration for who asks for it."""
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("team/app", "1", platforms=PLATFORMS, shape=shape)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            reference = registry.reference("team/app", "1")
            described = await client.describe(reference, pushed.digest, "linux/arm64/v8")
        assert described.failure is None
        assert {child.platform: child.digest for child in described.children} == pushed.children
        configs = {c.platform: c.config_digest for c in described.children if c.config_digest}
        assert configs == {"linux/arm64": pushed.configs["linux/arm64"]}


@pytest.mark.parametrize("shape", [Shape.MANIFEST, Shape.DOCKER_MANIFEST])
async def test_an_image_of_one_platform_is_its_own_child(
    fresh_nats: NatsServer, tmp_path: Path, shape: Shape
) -> None:
    """A manifest without an index names the configuration."""
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("team/app", "1", platforms=("linux/arm/v6",), shape=shape)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            described = await client.describe(registry.reference("team/app", "1"), pushed.digest)
        config = pushed.configs["linux/arm/v6"]
        assert described.children == (
            Child(platform="", digest=pushed.digest, config_digest=config),
        )


async def test_a_digest_is_described_once_for_ever(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """Another configuration is added to what is known; what is known is not asked again."""
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("app", "1", platforms=PLATFORMS, shape=Shape.PLAIN_INDEX)
        reference = registry.reference("app", "1")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            await client.describe(reference, pushed.digest, "linux/amd64")
            second = await client.describe(reference, pushed.digest, "linux/arm64")
            spent = registry.totals().get_requests
            gone = await client.describe(reference, f"sha256:{'0' * 64}")
        assert {c.platform for c in second.children if c.config_digest} == {
            "linux/amd64",
            "linux/arm64",
        }
        assert spent == 4
        assert isinstance(gone.failure, Missing)


async def test_the_version_of_a_platform_is_read_once_for_ever(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """The label is in the configuration, a blob that takes one request; the next answer has it."""
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("app", "1", platforms=PLATFORMS, seed=7, shape=Shape.INDEX)
        reference = registry.reference("app", "1")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            asked = ("linux/arm64",)
            first = await client.describe(reference, pushed.digest, facts_of=asked)
            spent = registry.totals().get_requests
            second = await client.describe(reference, pushed.digest, "linux/amd64", facts_of=asked)
    for described in (first, second):
        [told] = [(child.platform, child.facts) for child in described.children if child.facts]
        assert told[0] == "linux/arm64"
        assert told[1].version == "7"
    assert spent == 2

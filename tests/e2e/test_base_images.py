"""Base images on a real Docker Engine and a real registry: a local build on a base that moved."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imagedrift_sandbox.stack import Stack, named_registry
from support.engine import DockerEngine, DockerRegistry
from support.operator import Operator

pytestmark = pytest.mark.real

LABEL = "org.opencontainers.image.base"


@pytest.fixture
async def operator(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, tmp_path: Path
) -> AsyncIterator[Operator]:
    """The operator of a whole system around the engine and the registry, who follows bases."""
    text = named_registry(fresh_docker_registry.host)
    async with Stack.running(tmp_path, registries_toml=text, freshness_s=2) as stack:
        await stack.start_ingest(IMAGEDRIFT_BASES="true", IMAGEDRIFT_LIST_FRESHNESS="2")
        await stack.start_resolver()
        await stack.start_agent(docker_host=docker_engine.host, host="host-1", interval_s=2)
        yield Operator(stack.dsn)


async def test_a_local_build_on_a_base_that_moved_is_told(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, operator: Operator
) -> None:
    """The build is `local`, and is never asked of a registry; its base is, by its labels."""
    registry = fresh_docker_registry
    base, ours = f"{registry.host}/base:3", f"{registry.host}/ours:1"
    docker_engine.build(base, "old")
    digest = docker_engine.push(base)
    docker_engine.remove_image(base)
    docker_engine.build(ours, "ours", {f"{LABEL}.name": base, f"{LABEL}.digest": digest})
    docker_engine.run(ours, "ours")

    row = await operator.sees(ours, base_outdated=False, verdict="local", running=1)
    assert (row["base_name"], row["base_error"]) == (base, None)

    docker_engine.build(base, "new")
    docker_engine.push(base)
    docker_engine.remove_image(base)

    row = await operator.sees(ours, base_outdated=True, verdict="local", running=1)
    assert row["base_checked_at"]
    assert (registry.requests("HEAD", "/ours/"), registry.requests("GET", "/ours/")) == (0, 0)

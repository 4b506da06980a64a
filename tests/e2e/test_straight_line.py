"""A real Docker Engine's images, compared with a real registry, read by SQL.

The three services run as processes of their own, by their console scripts.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imagedrift_sandbox.stack import Stack, named_registry
from support.engine import DockerEngine, DockerRegistry
from support.operator import Operator
from support.polling import until
from support.programs import require_program

pytestmark = pytest.mark.real

FRESHNESS_S = 2


@pytest.fixture
async def operator(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, tmp_path: Path
) -> AsyncIterator[Operator]:
    """The operator of a whole system around the engine and the registry."""
    registries = named_registry(fresh_docker_registry.host)
    async with Stack.running(
        tmp_path, registries_toml=registries, freshness_s=FRESHNESS_S
    ) as stack:
        await stack.start_ingest()
        await stack.start_resolver()
        await stack.start_agent(docker_host=docker_engine.host, host="host-1", interval_s=2)
        yield Operator(stack.dsn)


def push_image(engine: DockerEngine, registry: DockerRegistry, name: str, content: str) -> str:
    """Build and push an image of this content under a name, and return its reference."""
    reference = f"{registry.host}/{name}"
    engine.build(reference, content)
    engine.push(reference)
    return reference


async def test_an_image_that_is_up_to_date_is_reported_up_to_date(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, operator: Operator
) -> None:
    """A pushed image that runs is `current`, by its repo digest and not by its id."""
    reference = push_image(docker_engine, fresh_docker_registry, "app:1", "one")
    docker_engine.run(reference, "app")

    row = await operator.sees(reference, verdict="current", running=1)

    assert row["reason"] == "digest_match"
    assert row["remote_digest"] in row["local_digests"]
    assert row["remote_digest"] != row["image_id"]
    assert row["containers"] == ["app"]
    assert not row["stale"]


async def test_a_replaced_image_is_outdated_until_its_container_is_recreated(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, operator: Operator
) -> None:
    """A moved tag makes its container's row outdated; pulling alone makes it `recreate_only`."""
    reference = push_image(docker_engine, fresh_docker_registry, "web:1", "old")
    old_id = docker_engine.image_id(reference)
    [old_digest] = docker_engine.repo_digests(reference)
    docker_engine.run(reference, "web")
    await operator.sees(reference, verdict="current", running=1)

    elsewhere = push_image(docker_engine, fresh_docker_registry, "elsewhere:1", "new")
    new_digest = await copy_tag(elsewhere, reference)

    row = await operator.sees(reference, verdict="outdated", running=1, image_id=old_id)
    assert row["local_digests"] == [old_digest]
    assert row["remote_digest"] == new_digest

    docker_engine.pull(reference)

    outdated = await until(
        lambda: operator.ask(
            "SELECT * FROM ops.outdated WHERE reference = $1 AND recreate_only", reference
        ),
        what="recreate_only",
    )
    assert [(each["image_id"], each["running"]) for each in outdated] == [(old_id, 1)]
    await operator.sees(reference, verdict="current", running=0)

    docker_engine.remove("web")
    docker_engine.run(reference, "web")

    await operator.sees(reference, verdict="current", running=1)
    await until(lambda: no_rows(operator, reference, "outdated"), what="no outdated row is left")


async def test_p2_a_local_build_is_never_asked_of_the_registry(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, operator: Operator
) -> None:
    """An image that was built and never pushed is `local`, and causes no request."""
    reference = f"{fresh_docker_registry.host}/private:1"
    docker_engine.build(reference, "secret")
    witness = push_image(docker_engine, fresh_docker_registry, "witness:1", "known")

    await operator.sees(reference, verdict="local", reason="no_repo_digest")

    await operator.sees(witness, verdict="current")
    assert fresh_docker_registry.requests("HEAD", "witness/manifests/1") >= 1
    for method in ("HEAD", "GET"):
        assert fresh_docker_registry.requests(method, "private") == 0


async def test_an_image_run_by_digest_is_pinned(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, operator: Operator
) -> None:
    """An image that is run by digest is `pinned`, and not compared."""
    tagged = push_image(docker_engine, fresh_docker_registry, "pin:1", "pinned")
    [digest] = docker_engine.repo_digests(tagged)
    reference = f"{fresh_docker_registry.host}/pin@{digest}"
    docker_engine.remove_image(tagged)
    docker_engine.pull(reference)
    docker_engine.run(reference, "pin")

    row = await operator.sees(reference, verdict="pinned", running=1)

    assert row["reason"] == "by_digest"


async def test_a_deleted_tag_is_missing_and_keeps_its_last_digest(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, operator: Operator
) -> None:
    """A tag that was deleted in the registry is `missing`, with its last digest."""
    reference = push_image(docker_engine, fresh_docker_registry, "gone:1", "soon gone")
    [digest] = docker_engine.repo_digests(reference)
    await operator.sees(reference, verdict="current")

    fresh_docker_registry.delete_tag("gone", "1")

    row = await operator.sees(reference, verdict="missing", reason="not_found")
    assert row["remote_digest"] == digest


async def test_a_stopped_registry_leaves_the_verdict_and_marks_it_stale(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, operator: Operator
) -> None:
    """A registry that does not answer changes no verdict: the row is stale, with the error."""
    reference = push_image(docker_engine, fresh_docker_registry, "steady:1", "steady")
    before = await operator.sees(reference, verdict="current", stale=False)

    fresh_docker_registry.stop()

    row = await operator.sees(reference, verdict="current", stale=True)
    assert row["remote_digest"] == before["remote_digest"]
    assert row["verdict_since"] == before["verdict_since"]
    assert "unreachable" in row["error"] or "refused" in row["error"]

    fresh_docker_registry.start()

    await operator.sees(reference, verdict="current", stale=False, error=None)


async def copy_tag(source: str, target: str) -> str:
    """Move a tag of the registry to another tag's image, and return its new digest."""
    skopeo = require_program("skopeo", "apt-get install skopeo")
    for arguments in (
        ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"],
        ["inspect", "--tls-verify=false", "--format", "{{.Digest}}"],
    ):
        names = [f"docker://{source}", f"docker://{target}"]
        process = await asyncio.create_subprocess_exec(
            skopeo,
            *arguments,
            *(names if arguments[0] == "copy" else names[1:]),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
    return output.decode().strip()


async def no_rows(operator: Operator, reference: str, verdict: str) -> bool:
    """Tell whether no row of the reference has this verdict."""
    rows = await operator.comparisons(reference)
    return not any(row["verdict"] == verdict for row in rows)

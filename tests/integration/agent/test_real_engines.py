"""On a real Docker Engine and a real Podman: whatever happens, the inventory says what is there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from msgspec import UNSET

from imagedrift_agent.adapters.engine import Engine as Source
from imagedrift_agent.core.address import EngineAddress
from imagedrift_schemas.v1 import Inventory, LocalImage
from support.agents import RecordingPublisher, running_agent
from support.engine import DockerEngine, DockerRegistry
from support.engine_api import Engine
from support.podman import PodmanEngine
from support.polling import until

pytestmark = pytest.mark.real

Facts = dict[tuple[str, str], tuple[tuple[str, ...], int, tuple[str, ...]]]
"""By reference and image: its containers, how many of them run, and its digests while tagged."""


@pytest.fixture(params=["docker_engine", "podman_engine"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each real engine in turn."""
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def publisher(engine: Engine) -> AsyncIterator[RecordingPublisher]:
    """The inventories of an agent on that engine, by events alone: the interval never ends."""
    listening = RecordingPublisher()
    source = Source(lambda: EngineAddress(path=str(engine.path)))
    async with running_agent(source, listening):
        await until(lambda: bool(listening.inventories), "a first inventory")
        yield listening


async def test_every_change_of_a_host_reaches_its_inventory(
    engine: Engine, publisher: RecordingPublisher, docker_registry: DockerRegistry
) -> None:
    """Build, push, run, tag, move the tag, recreate, stop, untag, remove, prune, pull, in turn."""
    app = f"{docker_registry.host}/{type(engine).__name__.lower()}/app"

    async def do(step: str, *arguments: Any, **named: Any) -> Inventory:
        await asyncio.to_thread(getattr(engine, step), *arguments, **named)
        return await equal(publisher, engine, f"after {step} {arguments}")

    await do("build", f"{app}:1", "one")
    await do("push", f"{app}:1")
    assert image_of(publisher, f"{app}:1").repo_digests
    first = engine.image_id(f"{app}:1")
    await do("run", f"{app}:1", "web")
    await do("tag", f"{app}:1", f"{app}:stable")
    await do("build", f"{app}:1", "two")
    await do("push", f"{app}:1")
    moved = next(i for i in newest(publisher).images if not i.tagged)
    assert (moved.reference, moved.image_id, moved.containers) == (f"{app}:1", first, ("web",))
    await do("remove", "web")
    await do("run", f"{app}:1", "web")
    assert image_of(publisher, f"{app}:1").running == 1
    await do("stop", "web")
    assert image_of(publisher, f"{app}:1").running == 0
    await do("remove_image", f"{app}:stable")
    await do("remove", "web")
    await do("remove_image", f"{app}:1", force=True)
    await do("prune")
    await do("pull", f"{app}:1")
    assert image_of(publisher, f"{app}:1").repo_digests


async def test_a_container_that_lives_a_second_changes_nothing(
    engine: Engine, publisher: RecordingPublisher, docker_registry: DockerRegistry
) -> None:
    """Jobs come and go; only what stays is said."""
    name = f"{docker_registry.host}/{type(engine).__name__.lower()}/job:1"
    await asyncio.to_thread(engine.build, name)
    await equal(publisher, engine, "after the build")
    published = len(publisher.inventories)

    for number in range(3):
        await asyncio.to_thread(engine.run, name, f"job-{number}", None, ["/bin/busybox", "true"])
        # Podman refuses to remove a container that ends while it is being stopped for that.
        await asyncio.to_thread(engine.await_end, f"job-{number}")
        await asyncio.to_thread(engine.remove, f"job-{number}")
    await asyncio.to_thread(engine.tag, name, name.replace("job:1", "job:2"))
    await equal(publisher, engine, "after the tag")

    assert len(publisher.inventories) == published + 1
    assert not [i for i in newest(publisher).images if i.containers]


async def test_a_reference_with_tag_and_digest_is_followed_by_its_tag(
    docker_engine: DockerEngine, docker_registry: DockerRegistry
) -> None:
    """As a Swarm runs it: the digest says what was meant, the tag where it would move to."""
    app = f"{docker_registry.host}/swarm/app"
    await asyncio.to_thread(docker_engine.build, f"{app}:2.1")
    digest = await asyncio.to_thread(docker_engine.push, f"{app}:2.1")
    await asyncio.to_thread(docker_engine.remove_image, f"{app}:2.1")
    await asyncio.to_thread(docker_engine.pull, f"{app}@{digest}")
    await asyncio.to_thread(docker_engine.run, f"{app}:2.1@{digest}", "task")

    snapshot = await Source(lambda: EngineAddress(path=str(docker_engine.path))).take()

    [found] = snapshot.image_list.images
    assert (found.reference, found.repo_digests) == (f"{app}:2.1", (digest,))
    assert (found.containers, found.tagged) == (("task",), False)


async def test_a_running_image_whose_tag_is_removed_is_not_called_local(
    docker_engine: DockerEngine, docker_registry: DockerRegistry
) -> None:
    """`rmi -f` leaves neither tag nor digest of a running image (amayer1983/docksentry#53)."""
    app = f"{docker_registry.host}/removed/app:1"
    await asyncio.to_thread(docker_engine.build, app, "one")
    await asyncio.to_thread(docker_engine.push, app)
    await asyncio.to_thread(docker_engine.run, app, "web")
    await asyncio.to_thread(docker_engine.remove_image, app, force=True)

    snapshot = await Source(lambda: EngineAddress(path=str(docker_engine.path))).take()

    [found] = snapshot.image_list.images
    assert (found.reference, found.repo_digests, found.running) == (app, (), 1)
    assert found.digest_lost is True


async def test_what_was_built_and_rebuilt_here_stays_local(docker_engine: DockerEngine) -> None:
    """The old image runs on under a name that a registry could have, and that none has."""
    await asyncio.to_thread(docker_engine.build, "built:1", "one")
    await asyncio.to_thread(docker_engine.run, "built:1", "web")
    await asyncio.to_thread(docker_engine.build, "built:1", "two")

    snapshot = await Source(lambda: EngineAddress(path=str(docker_engine.path))).take()

    assert [image.tagged for image in snapshot.image_list.images].count(False) == 1
    assert {image.repo_digests for image in snapshot.image_list.images} == {()}
    assert {image.digest_lost for image in snapshot.image_list.images} == {UNSET}


async def test_podman_untag_leaves_the_digest_of_the_list(
    podman_engine: PodmanEngine, docker_registry: DockerRegistry
) -> None:
    """The list's digest is all that says what runs: an identity, and no proof of a registry."""
    app = f"{docker_registry.host}/untagged/app:1"
    await asyncio.to_thread(podman_engine.build, app, "one")
    digest = await asyncio.to_thread(podman_engine.push, app)
    await asyncio.to_thread(podman_engine.run, app, "web")
    path = f"/v4.0.0/libpod/images/{quote(app, safe='')}/untag"
    await asyncio.to_thread(Engine.call, podman_engine, "POST", path)

    snapshot = await Source(lambda: EngineAddress(path=str(podman_engine.path))).take()

    [found] = snapshot.image_list.images
    assert (found.reference, found.repo_digests, found.running) == (app, (), 1)
    assert (found.digest_lost, found.manifest_digest) == (True, digest)


async def equal(publisher: RecordingPublisher, engine: Engine, when: str) -> Inventory:
    """Wait until the newest inventory says what the engine says."""
    truth = await asyncio.to_thread(truth_of, engine)
    await until(lambda: facts_of(newest(publisher)) == truth, f"{when}: {truth}")
    return newest(publisher)


def truth_of(engine: Engine) -> Facts:
    """Ask the engine itself, by the plainest calls: names and containers of every image."""
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    for image in engine.call("GET", "/images/json"):
        for tag in image["RepoTags"] or ():
            known[tag, image["Id"]] = digests(engine, tag)
    used: dict[tuple[str, str], list[tuple[str, bool]]] = {key: [] for key in known}
    for listed in engine.call("GET", "/containers/json?all=1"):
        found = engine.call("GET", f"/containers/{listed['Id']}/json")
        key = (found["Config"]["Image"], f"sha256:{found['Image'].removeprefix('sha256:')}")
        used.setdefault(key, []).append((found["Name"].strip("/"), found["State"]["Running"]))
    return {
        key: (
            tuple(sorted(name for name, _ in of)),
            sum(running for _, running in of),
            known.get(key, ()),
        )
        for key, of in used.items()
    }


def facts_of(inventory: Inventory) -> Facts:
    """The same of an inventory, without what is known by a digest alone."""
    return {
        (image.reference, image.image_id): (
            image.containers,
            image.running,
            image.repo_digests if image.tagged else (),
        )
        for image in inventory.images
        if "@" not in image.reference
    }


def newest(publisher: RecordingPublisher) -> Inventory:
    """The last inventory that was said."""
    return publisher.inventories[-1]


def image_of(publisher: RecordingPublisher, reference: str) -> LocalImage:
    """The image that has a tag, in the last inventory."""
    return next(i for i in newest(publisher).images if i.reference == reference and i.tagged)


def digests(engine: Engine, reference: str) -> tuple[str, ...]:
    """The digests by which the engine knows an image in the repository of a reference."""
    repository = reference.rpartition(":")[0]
    found = engine.call("GET", f"/images/{reference}/json")["RepoDigests"] or ()
    return tuple(sorted(d.partition("@")[2] for d in found if d.startswith(f"{repository}@")))

"""Real clients push to the sandbox registry and pull from it: skopeo and a Docker Engine."""

import asyncio
import json
from pathlib import Path

import pytest

from imagedrift_sandbox.registry import Auth, SandboxRegistry, Scheme, Shape
from support.engine import DockerEngine
from support.programs import require_program

BOUND_S = 60
USERS = {"ann": "right"}


@pytest.fixture
def skopeo() -> Path:
    """The program, or a skip."""
    return require_program("skopeo", "apt-get install skopeo")


async def run(*command: str | Path) -> tuple[int, str]:
    """Run a program to its end; exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), BOUND_S)
    return process.returncode or 0, output.decode()


@pytest.mark.real
@pytest.mark.parametrize("shape", [Shape.INDEX, Shape.PLAIN_INDEX, Shape.DOCKER_LIST])
async def test_skopeo_copies_an_index_out_and_back_in(
    skopeo: Path, registry: SandboxRegistry, tmp_path: Path, shape: Shape
) -> None:
    """All children of an index survive a pull and a push under another name, digest unchanged."""
    pushed = registry.push_image(
        "from/app", "1", platforms=("linux/amd64", "linux/arm64"), shape=shape
    )
    copy = (skopeo, "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false")
    pulled = await run(*copy, f"docker://{registry.host}/from/app:1", f"dir:{tmp_path}/image")
    returned = await run(*copy, f"dir:{tmp_path}/image", f"docker://{registry.host}/to/app:2")

    assert pulled[0] == 0, pulled[1]
    assert returned[0] == 0, returned[1]
    found = registry.store.find("to/app", "2")
    assert found is not None
    assert found.digest == pushed.digest
    assert set(pushed.children.values()) < set(registry.store.repositories["to/app"].manifests)


@pytest.mark.real
@pytest.mark.parametrize("shape", [Shape.MANIFEST, Shape.DOCKER_MANIFEST])
async def test_skopeo_inspects_a_single_manifest(
    skopeo: Path, registry: SandboxRegistry, shape: Shape
) -> None:
    """The digest, the platform and the label that the image was given are read by a real client."""
    pushed = registry.push_image("app", "1", platforms=("linux/arm64",), seed=5, shape=shape)
    code, output = await run(
        skopeo, "inspect", "--tls-verify=false", f"docker://{registry.host}/app:1"
    )

    assert code == 0, output
    told = json.loads(output)
    assert told["Digest"] == pushed.digest
    assert (told["Architecture"], told["RepoTags"]) == ("arm64", ["1"])
    assert told["Labels"] == {"org.opencontainers.image.version": "5"}


@pytest.mark.real
@pytest.mark.parametrize("scheme", [Scheme.BEARER, Scheme.BASIC])
async def test_skopeo_logs_in_to_push_and_is_refused_without(
    skopeo: Path, registry: SandboxRegistry, tmp_path: Path, scheme: Scheme
) -> None:
    """With the right password a push works, with a wrong one it does not."""
    registry.push_image("app", "1")
    source = f"oci:{tmp_path}/layout:1"
    pull = ("copy", "--src-tls-verify=false", f"docker://{registry.host}/app:1", source)
    assert (await run(skopeo, *pull))[0] == 0
    registry.auth = Auth(scheme=scheme, users=USERS)
    push = (skopeo, "copy", "--dest-tls-verify=false", "--dest-creds")
    wrong = await run(*push, "ann:wrong", source, f"docker://{registry.host}/new:1")
    right = await run(*push, "ann:right", source, f"docker://{registry.host}/new:1")

    assert wrong[0] != 0
    assert right[0] == 0, right[1]
    assert registry.store.find("new", "1") is not None


@pytest.mark.real
async def test_skopeo_deletes_and_lists_tags(skopeo: Path, registry: SandboxRegistry) -> None:
    """Tags are listed; a deleted image is gone."""
    for tag in ("1", "2"):
        registry.push_image("app", tag, seed=int(tag))
    listed = await run(skopeo, "list-tags", "--tls-verify=false", f"docker://{registry.host}/app")
    deleted = await run(skopeo, "delete", "--tls-verify=false", f"docker://{registry.host}/app:1")

    assert json.loads(listed[1])["Tags"] == ["1", "2"]
    assert deleted[0] == 0, deleted[1]
    assert registry.store.find("app", "1") is None
    assert registry.store.find("app", "2") is not None


@pytest.mark.real
@pytest.mark.parametrize("shape", [Shape.MANIFEST, Shape.INDEX, Shape.DOCKER_LIST])
async def test_an_engine_pulls_a_synthetic_image(
    docker_engine: DockerEngine, registry: SandboxRegistry, shape: Shape
) -> None:
    """A Docker Engine knows it by the digest that was pushed and by its platform's config."""
    pushed = registry.push_image("app", "1", seed=6, shape=shape)
    reference = registry.reference("app", "1")
    await asyncio.to_thread(docker_engine.pull, reference)

    assert docker_engine.repo_digests(reference) == [pushed.digest]
    assert docker_engine.image_id(reference) == pushed.configs["linux/amd64"]


@pytest.mark.real
async def test_an_engine_pushes_what_it_built(
    docker_engine: DockerEngine, registry: SandboxRegistry
) -> None:
    """The digest that a Docker Engine remembers of its push is the one that the tag has."""
    reference = registry.reference("built", "1")
    await asyncio.to_thread(docker_engine.build, reference)
    await asyncio.to_thread(docker_engine.push, reference)
    found = registry.store.find("built", "1")

    assert found is not None
    assert docker_engine.repo_digests(reference) == [found.digest]

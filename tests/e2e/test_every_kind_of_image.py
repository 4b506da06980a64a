"""A fleet with every kind of image: which questions it causes, and what each row shows."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from msgspec.structs import replace

from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_sandbox.registry.images import Shape
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_schemas.v1 import LocalImage
from support.fleet import PLATFORM, System, pulled, system
from support.polling import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERDICTS = {
    "current": ("current", "digest_match"),
    "elsewhere": ("current", "platform_match"),
    "behind": ("outdated", "platform_differs"),
    "pinned": ("pinned", "by_digest"),
    "local": ("local", "no_repo_digest"),
    "gone": ("missing", "not_found"),
    "secret": ("unknown", "denied"),
    "dead": ("unknown", "unreachable"),
    "machine-bound": ("unknown", "refused"),
}
"""What has to be said of each repository."""


class Lively(NamedTuple):
    """The running system, and the registry that it asks."""

    running: System
    registry: SandboxRegistry


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lively(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lively]:
    """Two hosts with one image of every kind, each with its verdict."""
    dead = f"{LOOPBACK}:{free_port()}"
    home: Path = tmp_path_factory.mktemp("lively")
    async with (
        SandboxRegistry().serving() as registry,
        system(home, registry, dead) as running,
    ):
        images = every_kind(registry, dead)
        for host in ("one", "two"):
            await running.hosts.have(host, *images)
        await until(lambda: all_are_judged(running), what="every image is judged")
        yield Lively(running, registry)


async def test_p2_a_local_image_is_never_asked_of_a_registry(lively: Lively) -> None:
    """The registry gets no request about a local image, or about one that is run by digest."""
    asked = {seen.repository for seen in lively.registry.counts.requests}

    assert asked == {"current", "elsewhere", "behind", "gone", "secret"}


async def test_p10_every_row_carries_as_of_reason_and_next_check(lively: Lively) -> None:
    """Every row has its as-of time, its reason and its next check, with or without an answer."""
    rows = await lively.running.operator.ask("SELECT * FROM ops.comparisons")

    assert len(rows) == 2 * len(VERDICTS)
    for row in rows:
        assert row["reason"]
        assert row["verdict_since"]
        if row["repository"] in ("pinned", "local", "machine-bound"):
            assert (row["checked_at"], row["next_check_at"]) == (None, None), row
        else:
            assert row["checked_at"] < row["next_check_at"], row
        assert bool(row["error"]) == (row["verdict"] in ("unknown", "missing")), row


async def test_p10_the_summaries_carry_it_too(lively: Lively) -> None:
    """The summaries have an as-of time, and each reference its last and next check."""
    operator = lively.running.operator
    [summary] = await operator.ask("SELECT * FROM ops.fleet_summary")
    images = await operator.ask("SELECT * FROM ops.images WHERE repository = 'current'")

    assert (summary["hosts"], summary["images"]) == (2, 2 * len(VERDICTS))
    assert summary["as_of"]
    assert [(each["hosts"], each["checked_at"] < each["next_check_at"]) for each in images] == [
        (2, True)
    ]


def every_kind(registry: SandboxRegistry, dead: str) -> list[LocalImage]:
    """Return one image of every kind, in a repository named after its verdict."""
    behind = pulled(registry, "behind")
    registry.push_image("behind", "1", seed=1)
    gone = pulled(registry, "gone")
    registry.store.delete("gone", "1")
    secret = pulled(registry, "secret")
    registry.misbehave(Fault(repository="secret", status=403))
    current = pulled(registry, "current")
    [digest] = current.repo_digests
    return [
        *(current, behind, gone, secret, moved_elsewhere(registry)),
        LocalImage(reference=registry.reference("local", "1"), image_id=current.image_id),
        replace(current, reference=f"{registry.host}/pinned@{digest}"),
        replace(current, reference=f"{dead}/dead:1"),
        replace(current, reference="localhost:5000/machine-bound:1"),
    ]


def moved_elsewhere(registry: SandboxRegistry) -> LocalImage:
    """Return an image whose index was rebuilt for another platform."""
    before = registry.push_image("elsewhere", "1", shape=Shape.PLAIN_INDEX)
    both = (PLATFORM, "linux/arm64")
    registry.push_image("elsewhere", "1", shape=Shape.PLAIN_INDEX, platforms=both)
    return LocalImage(
        reference=registry.reference("elsewhere", "1"),
        image_id=before.configs[PLATFORM],
        repo_digests=(before.digest,),
    )


async def all_are_judged(running: System) -> bool:
    """Tell whether each repository has the verdict of its name, on both hosts."""
    rows = await running.operator.ask(
        "SELECT repository, verdict, reason, count(*) AS hosts "
        "FROM ops.comparisons GROUP BY repository, verdict, reason"
    )
    found = {row["repository"]: (row["verdict"], row["reason"]) for row in rows}
    return found == VERDICTS and {row["hosts"] for row in rows} == {2}

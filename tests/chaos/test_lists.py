"""Services die while tags are listed: each list is made again, and no step is lost or denied."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from imagedrift_sandbox.registry import Fault, RouteKind, SandboxRegistry
from imagedrift_sandbox.registry.tag_pages import TagPaging
from support.fleet import System, pulled, system
from support.polling import until

REPOSITORIES = [f"app/{number}" for number in range(6)]
NEWER = ("1.0.9", "1.4.2", "3.0.0")
TAGS = [f"1.0.{number}" for number in range(10)] + [f"0.{number}.0" for number in range(390)]
"""With those that are newer eight pages or more, as Quay has them."""
WITHIN_S = 180.0
DENIED = """
    SELECT reference FROM ops.versions
    WHERE behind = 0 OR ARRAY[patch_state, minor_state, major_state] && '{none,same_image}'
"""
LISTED = "SELECT count(listed_at) > 0 AS found FROM ops.versions"
TOLD = f"""
    SELECT count(*) = {len(REPOSITORIES)} AS found FROM ops.versions
    WHERE (newest_patch, newest_minor, newest_major) = {NEWER} AND behind >= 3
"""


async def test_p11_whoever_dies_while_tags_are_listed_nothing_newer_is_lost_or_denied(
    registry: SandboxRegistry, tmp_path: Path
) -> None:
    """Resolver, NATS and ingest are killed in turn, between the first page and the last digest."""
    for repository in REPOSITORIES:
        registry.push_tags(repository, [*TAGS, *NEWER])
        for seed, tag in enumerate(NEWER, 1):
            registry.push_image(repository, tag, seed=seed)
    registry.tag_paging = TagPaging.QUAY
    registry.misbehave(Fault(kinds=(RouteKind.TAGS,), latency_s=0.1))
    registry.misbehave(Fault(kinds=(RouteKind.MANIFEST_GET,), latency_s=0.5))
    async with system(tmp_path, registry) as running:
        images = [pulled(registry, repository, "1.0.0", running=1) for repository in REPOSITORIES]
        await running.hosts.have("web-1", *images)

        await see(running, lambda: has_read(registry, pages=3), what="the first pages")
        kill(running, "imagedrift-resolver")
        await running.stack.start_resolver()

        pages = registry.totals().of(RouteKind.TAGS)
        await see(running, lambda: has_read(registry, pages=pages + 3), what="further pages")
        running.stack.nats.kill()
        await running.stack.nats.restart()

        await see(running, lambda: is_there(running, LISTED), what="a list is stored")
        kill(running, "imagedrift-ingest")
        await running.stack.start_ingest()

        await see(running, lambda: is_there(running, TOLD), what="all that is newer")


async def see(running: System, condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a condition; at no moment before may anything be said to have no newer version."""

    async def holds() -> bool:
        assert await running.operator.ask(DENIED) == []
        return await condition()

    await until(holds, what=what, within_s=WITHIN_S)


async def has_read(registry: SandboxRegistry, *, pages: int) -> bool:
    """Tell whether so many pages of tags were asked for."""
    return registry.totals().of(RouteKind.TAGS) >= pages


async def is_there(running: System, sql: str) -> bool:
    """Tell whether a query returns true."""
    [row] = await running.operator.ask(sql)
    return bool(row["found"])


def kill(running: System, name: str) -> None:
    """Kill a service, as a power cut would."""
    victim = next(each for each in running.stack.services if each.name == name)
    victim.kill()
    running.stack.services.remove(victim)

"""The truth matrix: situations × engines × kinds of registries, each verdict read from ops.*.

Docker's classic store and Podman are real engines that pull from the registries; containerd's
store is told by replies written after each version's API. The whole system runs: agents, NATS,
resolver, ingest and PostgreSQL. The table is printed, and has to have no wrong cell.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imagedrift_agent.settings import AgentSettings
from imagedrift_agent.wiring import engine_of
from imagedrift_sandbox.engine import ScriptedEngine
from imagedrift_sandbox.registry import Fault, Kind, SandboxRegistry, Shape, Store, Vendor, imitate
from imagedrift_sandbox.registry.images import push_image
from imagedrift_sandbox.registry.store import OCI_INDEX, canonical
from support.agents import RealOutlet, running_agent
from support.engine import DockerEngine
from support.engine_api import Engine
from support.engine_replies import KINDS, EngineKind, Held, Variant, replies
from support.fleet import System, system
from support.operator import wait_for
from support.podman import PodmanEngine

pytestmark = pytest.mark.real

Verdict = tuple[str, str]
NATIVE, OTHER = "linux/amd64", "linux/arm64"
MATCH, PLATFORM = ("current", "digest_match"), ("current", "platform_match")
REPLACED, UNSURE = ("outdated", "platform_differs"), ("outdated", "digest_differs")
UNREACHABLE, MISSING = ("unknown", "unreachable"), ("missing", "not_found")
PINNED, LOCAL, LOST = (
    ("pinned", "by_digest"),
    ("local", "no_repo_digest"),
    ("unknown", "digest_lost"),
)
REAL: tuple[EngineKind, ...] = ("classic", "podman")
MANIFESTS = (Kind.MANIFEST_HEAD, Kind.MANIFEST_GET)
JUDGED_WITHIN_S = 60.0
LOGIN = {"reader": "a-good-password"}
REGISTRIES: dict[str, Vendor | None] = {
    "plain": None,
    "tokens": Vendor.QUAY,
    "tokens or basic": Vendor.GITEA,
    "basic, no HEAD": Vendor.NEXUS,
    "no digest on HEAD": Vendor.RED_HAT,
}


class Shelf:
    """One repository of the registries, which share their content."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name

    def image(self, seed: int, platform: str = NATIVE) -> Variant:
        """Push an image of a platform; what an engine calls it."""
        tag = f"{seed}-{platform.replace('/', '-')}"
        pushed = push_image(self.store, self.name, tag, platforms=(platform,), seed=seed)
        return Variant(pushed.digest, pushed.configs[platform], platform)

    def index(self, *children: tuple[Variant, str], note: str = "") -> str:
        """Push an index under the tag `1`; a child's platform is written as it is given, or not."""
        entries = [_entry(child, platform) for child, platform in children]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        body = canonical(document | ({"annotations": {"build": note}} if note else {}))
        return self.store.put_manifest(self.name, "1", OCI_INDEX, body).digest

    def single(self, seed: int) -> tuple[str, Variant]:
        """Push a manifest of its own under the tag `1`."""
        pushed = push_image(self.store, self.name, "1", seed=seed, shape=Shape.MANIFEST)
        return pushed.digest, Variant(pushed.digest, pushed.configs[NATIVE], NATIVE)


def _entry(child: Variant, platform: str) -> dict[str, Any]:
    manifest = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": child.manifest,
        "size": 1,
    }
    os, _, architecture = platform.partition("/")
    told = {"platform": {"os": os, "architecture": architecture}} if platform else {}
    return manifest | told


@dataclass
class Situation:
    """What a host has, what became of its tag, and what has to be said of it."""

    name: str
    before: Callable[[Shelf], tuple[str, Variant]]
    """Makes the tag that hosts pull: its digest, and the image that they run."""
    after: Callable[[Shelf], object]
    """Makes what the tag points to now."""
    right: Verdict
    right_of: dict[EngineKind, Verdict] = field(default_factory=dict)
    """Where an engine cannot know as much."""
    way: str = ""
    """How the host has it, if not by the tag: `digest`, `untagged`, `built`."""
    fault: Fault | None = None

    def expected(self, kind: EngineKind) -> Verdict:
        """The right value on an engine."""
        return self.right_of.get(kind, self.right)

    def applies(self, kind: EngineKind) -> bool:
        """Tell whether an engine can be in it: only some know what was built on their host."""
        return self.way != "built" or kind in ("classic", "containerd-29")


def both(shelf: Shelf, ours: int, other: int, note: str = "") -> tuple[str, Variant]:
    """An index of two platforms, of the builds of these numbers."""
    mine = shelf.image(ours)
    index = shelf.index((mine, NATIVE), (shelf.image(other, OTHER), OTHER), note=note)
    return index, mine


def bare(shelf: Shelf, seed: int) -> tuple[str, Variant]:
    """An index whose child names no platform."""
    image = shelf.image(seed)
    return shelf.index((image, "")), image


def twins(shelf: Shelf, *seeds: int) -> tuple[str, Variant]:
    """An index of several children of one platform; the first is the one that is run."""
    images = [shelf.image(seed) for seed in seeds]
    return shelf.index(*((image, NATIVE) for image in images)), images[0]


BLIND: dict[EngineKind, Verdict] = {"containerd-25": UNSURE}
"""An engine that names the index alone."""
SITUATIONS = (
    Situation("unchanged", lambda s: both(s, 1, 1), lambda _: None, MATCH),
    Situation("replaced", lambda s: both(s, 1, 1), lambda s: both(s, 2, 1), REPLACED, BLIND),
    Situation("other platform", lambda s: both(s, 1, 1), lambda s: both(s, 1, 2), PLATFORM, BLIND),
    Situation("note alone", lambda s: both(s, 1, 1), lambda s: both(s, 1, 1, "2"), PLATFORM, BLIND),
    Situation("no platforms", lambda s: twins(s, 1), lambda s: bare(s, 1), PLATFORM, BLIND),
    Situation("bare, replaced", lambda s: twins(s, 1), lambda s: bare(s, 2), REPLACED, BLIND),
    Situation(
        "second of twins", lambda s: twins(s, 1, 2), lambda s: twins(s, 3, 1), PLATFORM, BLIND
    ),
    Situation("one manifest", lambda s: s.single(1), lambda s: s.single(2), REPLACED, BLIND),
    Situation(
        "tag is gone", lambda s: both(s, 1, 1), lambda s: s.store.delete(s.name, "1"), MISSING
    ),
    Situation("by digest", lambda s: both(s, 1, 1), lambda s: both(s, 2, 2), PINNED, way="digest"),
    Situation(
        "untagged here",
        lambda s: both(s, 1, 1),
        lambda s: both(s, 2, 1),
        LOST,
        {"containerd-29": REPLACED},
        way="untagged",
    ),
    Situation(
        "untagged, same",
        lambda s: both(s, 1, 1),
        lambda s: both(s, 1, 2),
        PLATFORM,
        {"containerd-25": LOST},
        way="untagged",
    ),
    Situation("built here", lambda s: both(s, 1, 1), lambda s: both(s, 2, 1), LOCAL, way="built"),
    Situation(
        "a proxy's 404",
        lambda s: both(s, 1, 1),
        lambda s: both(s, 2, 1),
        UNREACHABLE,
        fault=Fault(status=404, body="404 page not found", content_type="text/plain"),
    ),
    Situation(
        "broken there",
        lambda s: both(s, 1, 1),
        lambda s: both(s, 2, 1),
        UNREACHABLE,
        fault=Fault(status=500, body='{"errors":[{"code":"UNKNOWN"}]}'),
    ),
)


async def test_no_cell_of_the_truth_matrix_is_wrong(
    docker_engine: DockerEngine,
    podman_engine: PodmanEngine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each situation has its verdict on each engine, whatever kind of registry it is met in."""
    real: dict[EngineKind, Engine] = {"classic": docker_engine, "podman": podman_engine}
    async with AsyncExitStack() as stack:
        registries = {
            kind: await stack.enter_async_context(SandboxRegistry(store=STORE).serving())
            for kind in REGISTRIES
        }
        held = await asyncio.to_thread(_pull_everything, registries, real)
        for situation in SITUATIONS:
            situation.after(Shelf(STORE, _slug(situation.name)))
        _become_themselves(registries)
        running = await stack.enter_async_context(
            system(tmp_path, also=_credentials(registries, tmp_path))
        )
        for kind in KINDS:
            await stack.enter_async_context(_host(kind, running, held[kind], real, tmp_path))
        table = await _judged(running, registries)
    with capsys.disabled():
        print(_printed(table))  # noqa: T201 - the table is what this test shows
    assert [cell for cell in table if cell.found != cell.right] == []


STORE = Store()


@dataclass(frozen=True)
class Cell:
    """One situation on one engine with one kind of registry."""

    situation: str
    engine: EngineKind
    registry: str
    right: Verdict
    found: Verdict | None


def _slug(name: str) -> str:
    return "".join(letter for letter in name.replace(" ", "-") if letter.isalnum() or letter == "-")


def _cases(kind: EngineKind) -> Iterator[Situation]:
    return (situation for situation in SITUATIONS if situation.applies(kind))


def _pull_everything(
    registries: dict[str, SandboxRegistry], real: dict[EngineKind, Engine]
) -> dict[EngineKind, list[Held]]:
    """Let every engine have every situation of every registry, as the registries are now."""
    held: dict[EngineKind, list[Held]] = {kind: [] for kind in KINDS}
    for situation in SITUATIONS:
        name = _slug(situation.name)
        target, image = situation.before(Shelf(STORE, name))
        for registry in registries.values():
            repository = f"{registry.host}/{name}"
            for kind in KINDS:
                if situation.applies(kind):
                    one = _held(situation, repository, target, image)
                    held[kind].append(one)
                    if kind in real:
                        _have(real[kind], one, situation.way)
    return held


def _held(situation: Situation, repository: str, target: str, image: Variant) -> Held:
    return Held(
        repository,
        target,
        (image,),
        is_tagged=situation.way != "untagged",
        is_pulled=situation.way != "built",
        runs=(image,),
        reference=f"{repository}@{target}" if situation.way == "digest" else "",
    )


def _have(engine: Engine, held: Held, way: str) -> None:
    """Let a real engine come to a situation."""
    reference = held.reference or held.name
    container = _slug(held.repository.replace(":", "-").replace("/", "-").replace(".", "-"))
    if way == "built":
        engine.build(reference, "built")
    else:
        engine.pull(reference)
    engine.create(reference, container)
    if way == "untagged":
        engine.tag(reference, f"kept/{container}:1")
        engine.remove_image(reference)


def _become_themselves(registries: dict[str, SandboxRegistry]) -> None:
    """Give every registry its vendor's manners, and the faults of the situations."""
    for kind, registry in registries.items():
        if vendor := REGISTRIES[kind]:
            imitate(registry, vendor, users=LOGIN)
        for situation in SITUATIONS:
            if situation.fault:
                fault = msgspec.structs.replace(
                    situation.fault, repository=_slug(situation.name), kinds=MANIFESTS
                )
                registry.misbehave(fault)


def _credentials(registries: dict[str, SandboxRegistry], home: Path) -> str:
    """Name every registry in a registries.toml, with a login for those that want one."""
    password = home / "password"
    password.write_text(LOGIN["reader"])
    login = f'username = "reader"\npassword_file = "{password}"\n'
    return "\n".join(
        f'[registry."{registry.host}"]\nscheme = "http"\n{login if REGISTRIES[kind] else ""}'
        for kind, registry in registries.items()
    )


@asynccontextmanager
async def _host(
    kind: EngineKind,
    running: System,
    held: list[Held],
    real: dict[EngineKind, Engine],
    home: Path,
) -> AsyncIterator[None]:
    """Run the agent of a host, beside its real engine or one that replies as it would."""
    async with AsyncExitStack() as stack:
        if kind in real:
            address = real[kind].host
        else:
            path = home / f"{kind}.sock"
            engine = await stack.enter_async_context(ScriptedEngine.serving(path))
            engine.answers = replies(kind, NATIVE, held)
            address = engine.host
        source = engine_of(AgentSettings(docker_host=address))
        outlet = RealOutlet(running.stack.nats.url, kind)
        await stack.enter_async_context(running_agent(source, outlet, host=kind))
        yield


async def _judged(running: System, registries: dict[str, SandboxRegistry]) -> list[Cell]:
    """Read every cell, once each is right or nothing changes any more."""

    async def all_right() -> list[Cell] | None:
        cells = await _cells(running, registries)
        return cells if all(cell.found == cell.right for cell in cells) else None

    with suppress(AssertionError):
        return list(await wait_for(all_right, what="every cell is right", within_s=JUDGED_WITHIN_S))
    return await _cells(running, registries)


async def _cells(running: System, registries: dict[str, SandboxRegistry]) -> list[Cell]:
    rows = await running.operator.ask(
        "SELECT host, registry, repository, verdict, reason FROM ops.comparisons WHERE running >= 0"
    )
    found = {
        (row["host"], row["registry"], row["repository"]): (row["verdict"], row["reason"])
        for row in rows
    }
    return [
        Cell(
            situation.name,
            kind,
            name,
            situation.expected(kind),
            found.get((kind, registry.host, _slug(situation.name))),
        )
        for kind in KINDS
        for situation in _cases(kind)
        for name, registry in registries.items()
    ]


def _printed(table: list[Cell]) -> str:
    """Write the table: a line for each situation and registry, a column for each engine."""
    lines = ["", f"{'situation':<16}{'registry':<20}" + "".join(f"{kind:<28}" for kind in KINDS)]
    for situation, registry in dict.fromkeys((cell.situation, cell.registry) for cell in table):
        row = {c.engine: c for c in table if (c.situation, c.registry) == (situation, registry)}
        told = (f"{_told(row[kind]) if kind in row else '-':<28}" for kind in KINDS)
        lines.append(f"{situation:<16}{registry:<20}" + "".join(told))
    wrong = sum(cell.found != cell.right for cell in table)
    return "\n".join([*lines, f"{len(table)} cells, {wrong} wrong"])


def _told(cell: Cell) -> str:
    found = "/".join(cell.found or ("nothing",))
    return found if cell.found == cell.right else f"{found} (!)"

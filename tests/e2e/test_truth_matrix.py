"""The truth matrix: situations × engines × kinds of registries, each verdict read from ops.*.

Docker's classic store and Podman are real engines that pull from the registries. The replies of
containerd's store are written after each version's API. The whole system runs: agents, NATS,
resolver, ingest and PostgreSQL. The test prints the table, in which no cell may be wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from imagedrift_agent.settings import AgentSettings
from imagedrift_agent.wiring import engine_of
from imagedrift_sandbox.engine import ScriptedEngine
from imagedrift_sandbox.registry import RegistryContent, RouteKind, SandboxRegistry, Vendor, imitate
from support.agents import RealPublisher, running_agent
from support.engine import DockerEngine
from support.engine_api import Engine
from support.engine_replies import KINDS, EngineKind, Held, Variant, replies
from support.fleet import System, system
from support.podman import PodmanEngine
from support.polling import until
from support.situations import NATIVE, SITUATIONS, Shelf, Situation, Verdict

pytestmark = pytest.mark.real

MANIFESTS = (RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET)
JUDGED_WITHIN_S = 60.0
LOGIN = {"reader": "a-good-password"}
REGISTRIES: dict[str, Vendor | None] = {
    "plain": None,
    "tokens": Vendor.QUAY,
    "tokens or basic": Vendor.GITEA,
    "basic, no HEAD": Vendor.NEXUS,
    "no digest on HEAD": Vendor.RED_HAT,
}


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
        _imitate_vendors(registries)
        running = await stack.enter_async_context(
            system(tmp_path, also=_credentials(registries, tmp_path))
        )
        for kind in KINDS:
            await stack.enter_async_context(_host(kind, running, held[kind], real, tmp_path))
        table = await _final_cells(running, registries)
    with capsys.disabled():
        print(_table(table))  # noqa: T201 - the table is what this test shows
    assert [cell for cell in table if cell.found != cell.right] == []


STORE = RegistryContent()


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
    """Put every engine into every situation of every registry, as the registries are now."""
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
                        _put_into(real[kind], one, situation.way)
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


def _put_into(engine: Engine, held: Held, way: str) -> None:
    """Put a real engine into a situation."""
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


def _imitate_vendors(registries: dict[str, SandboxRegistry]) -> None:
    """Give every registry its vendor's behaviour, and the faults of the situations."""
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
    """Return a registries.toml of all registries, with a login where one is needed."""
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
    """Run a host's agent beside its engine, real or imitated."""
    async with AsyncExitStack() as stack:
        if kind in real:
            address = real[kind].host
        else:
            path = home / f"{kind}.sock"
            engine = await stack.enter_async_context(ScriptedEngine.serving(path))
            engine.answers = replies(kind, NATIVE, held)
            address = engine.host
        source = engine_of(AgentSettings(docker_host=address))
        publisher = RealPublisher(running.stack.nats.url, kind)
        await stack.enter_async_context(running_agent(source, publisher, host=kind))
        yield


async def _final_cells(running: System, registries: dict[str, SandboxRegistry]) -> list[Cell]:
    """Read every cell, once all are right or no cell changes any more."""

    async def all_right() -> list[Cell] | None:
        cells = await _cells(running, registries)
        return cells if all(cell.found == cell.right for cell in cells) else None

    with suppress(AssertionError):
        return list(await until(all_right, what="every cell is right", within_s=JUDGED_WITHIN_S))
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


def _table(table: list[Cell]) -> str:
    """Return the table: a line per situation and registry, a column per engine."""
    lines = ["", f"{'situation':<16}{'registry':<20}" + "".join(f"{kind:<28}" for kind in KINDS)]
    for situation, registry in dict.fromkeys((cell.situation, cell.registry) for cell in table):
        row = {c.engine: c for c in table if (c.situation, c.registry) == (situation, registry)}
        told = (f"{_cell_text(row[kind]) if kind in row else '-':<28}" for kind in KINDS)
        lines.append(f"{situation:<16}{registry:<20}" + "".join(told))
    wrong = sum(cell.found != cell.right for cell in table)
    return "\n".join([*lines, f"{len(table)} cells, {wrong} wrong"])


def _cell_text(cell: Cell) -> str:
    found = "/".join(cell.found or ("nothing",))
    return found if cell.found == cell.right else f"{found} (!)"

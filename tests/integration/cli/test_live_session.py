"""The recorded session of the commands that bring servers of their own: `up`, `demo`, `bench`.

`IMAGEDRIFT_RECORD=1` writes it anew, as for test_session.py. Ports, ages, seconds and counts of
requests are others at each run, and digests with another zlib: what is recorded is one run, and
compared without them.
"""

import asyncio
import functools
import itertools
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from imagedrift_cli.commands import COMMANDS
from imagedrift_sandbox.engine import ScriptedEngine
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_sandbox.stack import named_registry
from support.command_line import Ended, screen, watched
from support.deploy import ROOT
from support.engine_replies import Held, Variant, replies

SESSION: Final = Path(__file__).parent / "live.txt"
DEMO: Final = "demo"
BENCH: Final = "bench lookup --references 50 --resolvers 1"
SLOW_S: Final = 240.0
VARYING: Final = (
    (re.compile(r"sha256:[0-9a-f]+"), "sha256"),
    (re.compile(r"\bnow\b|(\d+ (d|h|min|s) )+ago"), "0 ago"),
    (re.compile(r"\d+ (d|h|min|s)\b( \d+ (h|min|s)\b)?"), "0 s"),
    (re.compile(r"\d+([.,:]\d+)*"), "0"),
    (re.compile(r"[\s━╸╺─]+"), " "),
)
"""What differs from run to run, and what stands for it where two are compared."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder outside of pytest's: PostgreSQL's user has to reach it."""
    with tempfile.TemporaryDirectory(prefix="idrift-") as home:
        Path(home).chmod(0o755)
        yield Path(home)


async def test_the_live_session_is_what_the_command_prints(folder: Path) -> None:
    """The recorded session equals the command's present output, but for what varies."""
    async with (
        SandboxRegistry().serving() as registry,
        ScriptedEngine.serving(folder / "engine.sock") as engine,
    ):
        engine.answers = _one_old_and_one_new(registry)
        rules = folder / "registries.toml"
        rules.write_text(named_registry(registry.host))
        environment = {
            "DOCKER_HOST": engine.host, "IMAGEDRIFT_REGISTRIES": str(rules), "HOME": str(folder),
        }  # fmt: skip
        lines = await asyncio.to_thread(lambda: [*_watched(folder, environment), *_shown(folder)])
    session = "\n".join(lines).replace(str(folder), "/srv")
    session = session.replace(registry.host, "reg.example.org") + "\n"

    if os.getenv("IMAGEDRIFT_RECORD") == "1":
        SESSION.write_text(session)
    assert varied(session) == varied(SESSION.read_text())


def test_readme_shows_what_the_demonstration_prints() -> None:
    """The answer in README.md is a part of the recorded demonstration."""
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition("## One answer")[2].split("```")[1]

    assert varied(shown).strip() in varied(SESSION.read_text())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_recorded(name: str) -> None:
    """docs/cli.md has each command as it looks on a terminal, and in a pipe."""
    page = (ROOT / "docs" / "cli.md").read_text()
    recorded = re.findall(rf"^\$ imagedrift {name}\b.*$", page, re.MULTILINE)

    assert [each for each in recorded if "|" not in each]
    assert [each for each in recorded if each.endswith("| cat")]


def varied(text: str) -> str:
    """Return a text without what differs from run to run."""
    return functools.reduce(lambda told, each: each[0].sub(each[1], told), VARYING, text)


def _one_old_and_one_new(registry: SandboxRegistry) -> dict[str, Any]:
    """The answers of an engine with two images, of which one was replaced in the registry."""
    pushed = [registry.push_image(f"team/{name}", "1") for name in ("api", "web")]
    registry.push_image("team/web", "1", seed=9)
    variants = [Variant(each.digest, each.configs["linux/amd64"]) for each in pushed]
    return replies("classic", "linux/amd64", [
        Held(f"{registry.host}/team/{name}", one.manifest, (one,), runs=(one,))
        for name, one in zip(("api", "web"), variants, strict=True)
    ])  # fmt: skip


def _watched(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Tell what `up` prints, on a terminal and in a pipe."""
    command = ["up", "--home", f"{folder}/up"]
    yield "== `up` on a terminal of 80 columns, until Ctrl-C; here with the last line of each image"
    shown = watched(command, environment, enough=_all_judged)
    yield from _entry(" ".join(command), _settled(shown))
    yield "\n== The same in a pipe; what it learnt before is there again"
    shown = watched(command, environment, columns=None, enough=_all_judged)
    yield from _entry(f"{' '.join(command)} | cat", _settled(shown))


def _shown(folder: Path) -> Iterator[str]:
    """Tell what `demo` and a benchmark print."""
    temporary = {"TMPDIR": str(folder)}
    yield "\n== `demo` and one benchmark"
    for command, columns in itertools.product((DEMO, BENCH), (80, None)):
        shown = watched(command.split(), temporary, columns=columns, within_s=SLOW_S)
        assert shown.code == 0, shown.out + shown.err
        yield from _entry(command if columns else f"{command} | cat", shown)


def _all_judged(out: str) -> bool:
    return "platform_differs" in out and "digest_match" in out


def _settled(ended: Ended) -> Ended:
    """Keep the last line of each image: the ones before depend on the moment."""
    assert ended.code == 0, ended.out + ended.err
    text = re.sub(r":[\w-]+@", ":PASSWORD@", screen(ended.out))
    last: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split()
        is_verdict = len(parts) > 2 and "/team/" in parts[2]
        last.pop(parts[2] if is_verdict else line, None)
        last[parts[2] if is_verdict else line] = line
    return ended._replace(out="\n".join(sorted(last.values(), key=_place)))


def _place(line: str) -> tuple[int, str]:
    """Sort the verdicts of images, which come in any order, behind what is said at the start."""
    if line == "stopping":
        return 2, ""
    return (1, line) if "/team/" in line else (0, "")


def _entry(command: str, ended: Ended) -> Iterator[str]:
    yield f"\n$ imagedrift {command}"
    yield from screen(ended.out + ended.err).splitlines()

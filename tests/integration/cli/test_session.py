"""The recorded session of docs/cli.md: each command on a terminal of 80 columns and in a pipe.

`IMAGEDRIFT_RECORD=1 pytest tests/integration/cli/test_session.py` writes it anew; then
`python -m imagedrift_cli.reference` takes it into the page.
"""

import asyncio
import functools
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagedrift_sandbox.engine import ScriptedEngine
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_sandbox.stack import named_registry
from support.changed_verdicts import NGINX, changed, forget, publish
from support.command_line import Ended, on_terminal, piped, watched
from support.engine_replies import Held, Variant, replies
from support.operator import Operator

SESSION = Path(__file__).parent / "session.txt"
READING = (
    "status", "outdated", "outdated --site ber1 --running", "versions", "due", "plan nginx:1.27",
    "images", "image nginx:1.27",
    "image nginx:1.27 --hosts", "hosts", "host fra1/web-1", "host web-1",
    "why fra1/web-1 nginx:1.27", "history nginx:1.27", "history ber1/web-1", "unknown", "errors",
    "registries", "dead-letters", "top --once", "open fra1/web-1", "open web-1 nginx:1.27",
)  # fmt: skip
WRONG = (
    "outdatd", "outdated --cvs", "outdated --site fr1", "host web-9", "image ngnix:1.27",
    "why web-1 redis:8", "outdated --limit 0", "forget web-1 --yes", "forget fra1/job-1",
)  # fmt: skip
ACTING = (
    "watch --since 1min --limit 1", "check nginx:1.27 --wait 1",
    "decide nginx:1.27 snooze --for 30d --reason 'after the fair'",
    "due --excused", "decisions", "undo {decided}", "undo {decided}",
    "plan --due --ring 30%,rest --save --note 'the monthly one'", "plans", "plans {plans}",
    "dead-letters --drop ecf5f0dcfcdf", "forget fra1/job-1 --yes", "forget fra1/job-1 --yes",
    "migrate", "streams", "maintain", "rebuild --yes", "down --home {folder}/up",
    "notify", "notify --dry-run", "completion bash",
)  # fmt: skip
ROUTES = """\
[route.chat]
apprise_file = "{folder}/chat"
site = ["fra1"]
"""
HEAD = 4
"""Lines that are recorded of a script."""
KEYS = re.compile(r"(decided|plans) (\d{10,})")
"""What a later command names of an earlier one's output."""
AGED = "UPDATE fleet.plans SET made_at = now() - interval '2 minutes 5 seconds'"
"""A plan was made some time ago, so that its age stays the same."""
LISTED = """\
{host}/team/api:2@{same}
{host}/team/web:1@{old}
docker://sha256:b2b2b2b2b2b2
"""
LONG = "team/platform/of/a/long/name/application"
SAME = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "2026-11-26T05:00:00Z"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "2026-11-26 05:00 UTC"),
    (re.compile(r"P3DT\d{5}S"), "P3DT16200S"),
    (re.compile(r"\b\d min ago"), "2 min ago"),
    (re.compile(r"in \d min"), "in 2 min"),
    (re.compile(r"\b\d{19}\b"), "3757126000000000001"),
)
"""What is not the same at each run, and what stands for it in the page."""


async def test_the_session_is_what_the_command_prints(
    new_dsns: tuple[str, str], nats_server: NatsServer, tmp_path: Path
) -> None:
    """The recorded session equals the command's present output."""
    async with SandboxRegistry().serving() as registry:
        old = registry.push_image("team/web", "1").digest
        registry.push_image("team/web", "1", seed=9)
        same = registry.push_image("team/api", "2").digest
        listed = LISTED.format(host=registry.host, old=old, same=same)
        (tmp_path / "images.txt").write_text(listed)
        (tmp_path / "registries.toml").write_text(named_registry(registry.host))
        lines = await asyncio.to_thread(
            lambda: [*tell_session(new_dsns[0]), *acting(new_dsns, nats_server.url, tmp_path)]
        )
    session = "\n".join(lines).replace(str(tmp_path), "/srv") + "\n"
    session = session.replace(registry.host, "reg.example.org")

    if os.getenv("IMAGEDRIFT_RECORD") == "1":
        SESSION.write_text(session)
    assert session == SESSION.read_text()


def test_a_terminal_of_160_columns_shortens_nothing(fleet_dsn: str) -> None:
    """A terminal of 160 columns shows every text whole."""
    for command in READING[:2]:
        shown = on_terminal(fleet_dsn, *shlex.split(command), columns=160)
        assert "…" not in shown.out


def tell_session(dsn: str) -> Iterator[str]:
    """Tell the session, line by line."""
    yield "== On a terminal of 80 columns"
    for command in READING:
        yield from _entry(command, on_terminal(dsn, *shlex.split(command)))
    yield "\n== The same in a pipe, where every line is whole"
    for command in READING:
        yield from _entry(f"{command} | cat", piped(dsn, *shlex.split(command)))
    yield "\n== What is typed wrongly, and what is not there"
    for command in WRONG:
        ended = piped(dsn, *shlex.split(command))
        yield from _entry(command, ended)
        yield f"(exit code {ended.code})"


def acting(dsns: tuple[str, str], nats_url: str, folder: Path) -> Iterator[str]:
    """Tell what commands print that do more than read: here, where no service runs."""
    source = {
        "IMAGEDRIFT_SOURCE": f"list:{folder}/images.txt",
        "IMAGEDRIFT_REGISTRIES": f"{folder}/registries.toml",
        "HOME": str(folder),
    }
    yield "\n== This host, here a list of images, by IMAGEDRIFT_SOURCE=list:/srv/images.txt"
    yield from _entry("scan", on_terminal("", "scan", columns=80, **source))
    yield from _entry("scan | cat", piped("", "scan", **source))
    forget(nats_url)
    assert piped("", "streams", NATS_URL=nats_url).code == 0
    publish(nats_url, changed(NGINX))
    yield "\n== Commands that do something, on a terminal; no resolver runs here that would answer"
    (folder / "chat").write_text("ntfys://ntfy.example.org/drift\n")
    (folder / "routes.toml").write_text(ROUTES.format(folder=folder))
    environment = {
        "NATS_URL": nats_url,
        "HOME": str(folder),
        "IMAGEDRIFT_ROUTES": f"{folder}/routes.toml",
    }
    yield from _acted({"DATABASE_URL": dsns[0]} | environment, 80)
    yield "\n== The same in a pipe"
    yield from _acted({"DATABASE_URL": dsns[1]} | environment, None)


def _acted(environment: dict[str, str], columns: int | None) -> Iterator[str]:
    keys = {"folder": environment["HOME"]}
    for template in ACTING:
        command = template.format_map(keys)
        ended = watched(shlex.split(command), environment, columns=columns)
        keys |= dict(KEYS.findall(ended.out + ended.err))
        asyncio.run(Operator(environment["DATABASE_URL"]).ask(AGED))
        if command == "completion bash":
            ended = ended._replace(out=_head(ended.out))
        if command == "migrate":
            ended = ended._replace(err="")  # it names the other databases of the suite's cluster
        yield from _entry(command if columns else f"{command} | cat", ended)
        yield f"(exit code {ended.code})"


def _head(text: str) -> str:
    return "".join([*text.splitlines(keepends=True)[:HEAD], "[...]\n"])


def _entry(command: str, ended: Ended) -> Iterator[str]:
    yield functools.reduce(_replaced, SAME, f"\n$ imagedrift {command}")
    for line in (ended.out + ended.err).splitlines():
        yield functools.reduce(_replaced, SAME, line).rstrip()


def _replaced(line: str, same: tuple[re.Pattern[str], str]) -> str:
    return same[0].sub(same[1], line)


@pytest.mark.parametrize("columns", [80, 160])
async def test_a_scan_fits_its_terminal(tmp_path: Path, columns: int) -> None:
    """A scan shows outdated images first, one line each, and a total."""
    async with (
        SandboxRegistry().serving() as registry,
        ScriptedEngine.serving(tmp_path / "engine.sock") as engine,
    ):
        pushed = [registry.push_image(f"{LONG}-{n}", "1") for n in range(3)]
        variants = [Variant(each.digest, each.configs["linux/amd64"]) for each in pushed]
        registry.push_image(f"{LONG}-2", "1", seed=9)
        engine.answers = replies("classic", "linux/amd64", [
            Held(f"{registry.host}/{LONG}-{n}", one.manifest, (one,), runs=(one,))
            for n, one in enumerate(variants)
        ])  # fmt: skip
        rules = tmp_path / "registries.toml"
        rules.write_text(named_registry(registry.host))
        environment = {"DOCKER_HOST": engine.host, "IMAGEDRIFT_REGISTRIES": str(rules)}

        def scan() -> Ended:
            return on_terminal("", "scan", columns=columns, HOME=str(tmp_path), **environment)

        shown = await asyncio.to_thread(scan)

    assert shown.code == 1
    verdicts = [line.split()[1] for line in shown.lines]
    assert verdicts == ["verdict", "outdated", "current", "current"]
    assert max(map(len, shown.lines)) <= columns
    assert "3 images: 1 outdated, 2 current" in shown.err

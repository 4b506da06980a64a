"""Every command says what an argument names that is not there: exit code 4, and the nearest name.

The calls are made from the commands themselves: a command or parameter that is new has to be told
here as one that names something, or as one that does not.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import click
import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main
from imagedrift_cli.commands import COMMANDS
from imagedrift_cli.exits import Exit

NGINX: Final = "docker.io/library/nginx:1.27"
SLIPS: Final = {
    "site": ("fr1", "no such site: fr1; did you mean fra1?"),
    "sites": ("fr1", "no such site: fr1; did you mean fra1?"),
    "places": ("fra1/rack-9", "no such place: fra1/rack-9; did you mean fra1/rack-8"),
    "place": ("fra1/rack-9", "no such place: fra1/rack-9; did you mean fra1/rack-8"),
    "label": ("env=prd", "no such label: env=prd; did you mean env=prod?"),
    "labels": ("env=prd", "no such label: env=prd; did you mean env=prod?"),
    "registry": ("docker.oi", "no such registry: docker.oi; did you mean docker.io?"),
    "registries": ("docker.oi", "no such registry: docker.oi; did you mean docker.io?"),
    "name": ("web-9", "no such host: web-9; did you mean web-1?"),
    "host_name": ("web-9", "no such host: web-9; did you mean web-1?"),
    "reference": ("ngnix:1.27", f"ngnix:1.27; did you mean {NGINX}"),
    "references": ("ngnix:1.27", f"library/ngnix:1.27; did you mean {NGINX}"),
    "images": ("ngnix:1.27", "no such image on this host: ngnix:1.27"),
    "texts": ("ngnix", "no such image or host: ngnix; did you mean nginx?"),
    "letter": ("ecf5f0dcfcde", "no such letter: ecf5f0dcfcde; did you mean ecf5f0dcfcdf?"),
    "dropped": ("ecf5f0dcfcde", "no such letter: ecf5f0dcfcde; did you mean ecf5f0dcfcdf?"),
    "plan_id": ("99", "no such plan: 99; see `imagedrift plans`"),
    "tested": ("opps", "no such route: opps; did you mean ops?"),
    "named": ("opps", "no such route: opps; did you mean ops?"),
    "decision_id": ("99", "no such decision: 99; see `imagedrift decisions --all`"),
}  # fmt: skip
"""A wrong name for each parameter that names something, and what is said of it."""
NAMELESS: Final = frozenset({
    "as_sql", "behind", "dry_run", "every", "excused", "exit_code", "form", "header", "help",
    "hosts",
    "interval", "is_due", "is_image", "is_saved", "limit", "note", "once", "overdue", "reason",
    "rings", "running", "since", "silent", "degraded", "span", "until", "value", "verdicts",
    "wait", "yes",
    "empty", "keep", "kind", "shell", "state",
    "home", "port", "nats_port", "page_port", "replicas", "role_names",
    "pattern",
})  # fmt: skip
"""Parameters that name nothing that has to be there. A pattern may be about images to come."""
BESIDE: Final = {
    "host": ("web-1",), "why": ("fra1/web-1", NGINX), "image": (NGINX,), "history": ("web-1",),
    "plan": (NGINX,), "decide": (NGINX, "pin"), "undo": ("99",), "forget": ("fra1/web-1", "--yes"),
    "check": ("fra1/web-1",), "open": ("web-1",),
}  # fmt: skip
"""The arguments that a command needs beside the one that is wrong."""
ALONE: Final = {"check --registry": (), "notify --route": ("--dry-run",)}
"""The same for an option that stands for an argument, or needs another one."""
MORE: Final = {"decisions texts", "completion shell"}
"""Texts that are looked for in what people wrote: none of it has to be there."""


class Call(NamedTuple):
    """A command with one wrong name."""

    command: str
    parameter: str
    arguments: tuple[str, ...]

    @property
    def told(self) -> str:
        """The words that the error needs."""
        return SLIPS[self.parameter][1]


def calls() -> Iterator[Call]:
    """Every command with each of its names wrong."""
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command, name
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        for parameter in command.params:
            if parameter.name in SLIPS and f"{name} {parameter.name}" not in MORE:
                yield Call(name, str(parameter.name), typed(name, parameter, arguments))


def typed(name: str, wrong: click.Parameter, arguments: list[click.Argument]) -> tuple[str, ...]:
    """The arguments of a call in which one is wrong."""
    slip = SLIPS[str(wrong.name)][0]
    beside = BESIDE.get(name, ())
    if isinstance(wrong, click.Argument):
        at = arguments.index(wrong)
        return (*beside[:at], slip, *beside[at + 1 :])
    option = wrong.opts[-1]
    return (*ALONE.get(f"{name} {option}", beside), option, slip)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_is_known_to_this_table(name: str) -> None:
    """A parameter names something that has to be there, or is told as one that does not."""
    command = main.get_command(click.Context(main), name)
    assert command

    assert {each.name for each in command.params} <= SLIPS.keys() | NAMELESS


@pytest.mark.parametrize("call", list(calls()), ids=lambda call: f"{call.command} {call.parameter}")
def test_what_is_named_and_is_not_there_ends_with_4(
    call: Call, fleet_dsn: str, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One line on standard error with the nearest name, nothing else, and exit code 4."""
    listed = tmp_path_factory.getbasetemp() / "images.txt"
    listed.write_text("")
    routes = tmp_path_factory.getbasetemp() / "routes.toml"
    routes.write_text('[route.ops]\napprise_file = "/etc/chat"\n')
    monkeypatch.setenv("DATABASE_URL", fleet_dsn)
    monkeypatch.setenv("IMAGEDRIFT_SOURCE", f"list:{listed}")
    monkeypatch.setenv("IMAGEDRIFT_ROUTES", str(routes))

    ended = CliRunner().invoke(main, [call.command, *call.arguments])

    assert ended.exit_code == Exit.NOT_FOUND, ended.output
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert call.told in line


@pytest.mark.parametrize("call", list(calls()), ids=lambda call: f"{call.command} {call.parameter}")
def test_a_name_that_is_empty_ends_with_64(
    call: Call, fleet_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty name is that of a shell variable which is not set: nothing near it is proposed."""
    monkeypatch.setenv("DATABASE_URL", fleet_dsn)
    slip = SLIPS[call.parameter][0]
    arguments = ["" if text == slip else text for text in call.arguments]

    ended = CliRunner().invoke(main, [call.command, *arguments])

    assert (ended.exit_code, ended.stdout) == (Exit.USAGE, ""), ended.output
    [line] = ended.stderr.splitlines()
    assert "" in arguments
    assert "did you mean db-1" not in line


@pytest.mark.parametrize("arguments", [
    ["status", "--site", "fra1", "--site", "fr1"], ["outdated", "--site", "fra1", "--site", "fr1"],
    ["images", "--registry", "docker.io", "--registry", "docker.oi"],
], ids=" ".join)  # fmt: skip
def test_one_wrong_name_of_several_is_told(
    arguments: list[str], fleet_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of the right name do not hide that the other one is not there."""
    monkeypatch.setenv("DATABASE_URL", fleet_dsn)

    ended = CliRunner().invoke(main, arguments)

    assert (ended.exit_code, ended.stdout) == (Exit.NOT_FOUND, "")
    assert "did you mean" in ended.stderr


@pytest.mark.parametrize("command", ["image", "why web-1", "plan", "check", "history", "scan"])
def test_a_reference_that_is_none_ends_with_64(
    command: str, fleet_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference that cannot be one is a wrong argument, and not a missing image."""
    monkeypatch.setenv("DATABASE_URL", fleet_dsn)

    ended = CliRunner().invoke(main, [*command.split(), "NGINX:1.27"])

    assert (ended.exit_code, ended.stdout) == (Exit.USAGE, "")
    [line] = ended.stderr.splitlines()
    assert "NGINX:1.27" in line
    assert "lower" in line or "uppercase" in line

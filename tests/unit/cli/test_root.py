"""How the command ends: what is wrong in one line, and an exit code."""

import click
import pytest
from click.testing import CliRunner

import imagedrift_bench as bench
from imagedrift_cli.__main__ import main
from imagedrift_cli.commands import COMMANDS
from imagedrift_cli.exits import Exit
from imagedrift_cli.lazy import Command
from imagedrift_cli.root import RootGroup

ALL = {**COMMANDS, **{f"bench {name}": each for name, each in bench.COMMANDS.items()}}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@h:port/d",
        "postgresql://u:hunter2@h:65536/d",
        "postgresql://u:hunter2@h:1,g:x/d",
        "postgresql://u:hunt/er2@h/d",
    ],
)
@pytest.mark.parametrize("command", ["status", "migrate", "maintain"])
def test_a_port_that_is_none_is_told(
    command: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A malformed port is one line without a password, and exit code 64."""
    monkeypatch.setenv("DATABASE_URL", url)

    result = CliRunner().invoke(main, [command])

    assert result.exit_code == Exit.USAGE
    assert result.output.startswith("Error: DATABASE_URL: ")
    assert "hunt" not in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "told"),
    [
        (
            ["up", "--home", "/dev/null"],
            {},
            69,
            "--home: /dev/null cannot be made or written: File exists",
        ),
        (["up"], {"IMAGEDRIFT_REGISTRIES": "/no/such"}, 64, "IMAGEDRIFT_REGISTRIES: "),
        (["scan", "BAD REF"], {}, 64, "uppercase"),
        (["bench", "dedup", "--hosts", "0"], {}, 64, "0 is not in the range x>=1"),
        (["outdatd"], {}, 64, "no such command: outdatd; did you mean outdated?"),
        (["outdated", "--cvs"], {}, 64, "no such option: --cvs; did you mean --csv"),
        (["outdated", "-o", "jsn"], {}, 64, "did you mean json"),
        (["images", "--verdict", "outdatd"], {}, 64, "did you mean outdated?"),
        (["outdated", "--label", "prod"], {}, 64, "prod is not K=V, as env=prod"),
        (["outdated", "--label", "a=1", "--label", "a=2"], {}, 64, "cannot be both 1 and 2"),
        (["host"], {}, 64, "missing argument 'NAME'"),
        (["outdated", "--site"], {}, 64, "imagedrift outdated: option '--site' requires an arg"),
        (["scan", "--sql"], {}, 64, "asks no database"),
    ],
)
def test_what_cannot_be_used_is_told(
    arguments: list[str],
    environment: dict[str, str],
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong argument is one line with the nearest right one, and an exit code."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == code, result.output
    assert told in result.output
    assert len(result.output.splitlines()) == 1
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(("command", "variable", "value"), [
    ("down", "IMAGEDRIFT_FRESHNESS", "soon"), ("up", "IMAGEDRIFT_FRESHNESS", "soon"),
    ("scan", "IMAGEDRIFT_SITE", "Fra1"), ("status", "TERM", "\udcff"),
    ("check nginx", "NATS_URL", "http://x"), ("streams", "NATS_URL", "http://x"),
    ("top", "NATS_URL", "http://x"), ("rebuild", "NATS_URL", "http://x"),
    ("maintain", "IMAGEDRIFT_RETIRE_DAYS", "0"), ("migrate", "DATABASE_URL", "x"),
])  # fmt: skip
def test_a_wrong_setting_is_named(
    command: str, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command tells a wrong variable by its name in one line, and ends with 64."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv(variable, value)

    result = CliRunner().invoke(main, command.split())

    assert result.exit_code == Exit.USAGE, result.output
    assert result.output.startswith(f"Error: {variable}: ")
    assert len(result.output.splitlines()) == 1
    assert "regex" not in result.output


def refused(*arguments: str) -> str:
    """The one line by which a wrong argument is refused, with exit code 64."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == Exit.USAGE, result.output
    [line] = result.output.splitlines()
    assert line.startswith("Error: imagedrift"), line
    return line


@pytest.mark.parametrize("name", ALL)
def test_every_option_typed_wrongly_is_told_with_the_right_one(name: str) -> None:
    """A letter too many: one line, the option that was meant, and exit code 64."""
    for option in options_of(name):
        wrong = f"{option.opts[-1]}{option.opts[-1][-1]}"
        assert option.opts[-1] in refused(*name.split(), wrong).partition("did you mean")[2]


@pytest.mark.parametrize("name", ALL)
def test_every_value_of_a_wrong_kind_is_told(name: str) -> None:
    """A text for a number, or a word that is none of those to choose from: the option is named."""
    for option in options_of(name):
        wrong = {click.Choice: "zzz", click.IntRange: "many", click.FloatRange: "many"}
        if type(option.type) in wrong and not option.is_flag:
            line = refused(*name.split(), option.opts[-1], wrong[type(option.type)])
            assert f"'{option.opts[-1]}'" in line or f"/ '{option.opts[-1]}'" in line


@pytest.mark.parametrize("name", ALL)
def test_an_argument_too_few_or_too_many_is_told(name: str) -> None:
    """A missing and a superfluous argument are named."""
    arguments = [each for each in command_of(name).params if isinstance(each, click.Argument)]
    if any(each.required for each in arguments):
        assert "missing argument" in refused(*name.split())
    if not arguments and name != "bench":
        assert "unexpected extra argument (surplus)" in refused(*name.split(), "surplus")


@pytest.mark.parametrize("name", [*COMMANDS, "bench dedup"])
def test_every_command_typed_wrongly_is_told_with_the_right_one(name: str) -> None:
    """A letter too many: one line, the command that was meant, and exit code 64."""
    *group, last = name.split()
    assert last in refused(*group, f"{last}{last[-1]}").partition("did you mean")[2]


def command_of(name: str) -> click.Command:
    """The command of that name."""
    found: click.Command = main
    for word in name.split():
        assert isinstance(found, click.Group)
        child = found.get_command(click.Context(found), word)
        assert child, word
        found = child
    return found


def options_of(name: str) -> list[click.Option]:
    """The options of a command that have a long name."""
    return [
        each
        for each in command_of(name).params
        if isinstance(each, click.Option) and each.opts[-1].startswith("--")
    ]


def test_a_defect_has_its_traceback_and_a_code_of_its_own() -> None:
    """A defect prints its traceback and exits with 70."""
    group = RootGroup("imagedrift", table={"broken": Command("support.command_line:broken", "")})

    result = CliRunner().invoke(group, ["broken"])

    assert result.exit_code == Exit.DEFECT
    assert "ZeroDivisionError" in result.output
    assert "defect of imagedrift" in result.output

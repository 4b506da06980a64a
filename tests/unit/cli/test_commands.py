"""The `imagedrift` command as it is typed wrongly, and what it costs to ask it for help."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import imagedrift_bench as bench
from imagedrift_cli.__main__ import COMMANDS, main
from imagedrift_cli.lazy import Command

ALL = {**COMMANDS, **{f"bench {name}": each for name, each in bench.COMMANDS.items()}}
HEAVY = ("asyncpg", "nats", "aiohttp", "httpx", "rich.progress")


@pytest.mark.parametrize("name", ALL)
def test_every_listed_command_is_there(name: str) -> None:
    """What the list of commands names can be asked for its own help."""
    result = CliRunner().invoke(main, [*name.split(), "--help"])

    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: main {name}")


@pytest.mark.parametrize("command", ALL.values(), ids=ALL)
def test_a_summary_fits_its_line(command: Command) -> None:
    """The list of commands has one line for each on a terminal of 80 columns."""
    assert len(command.summary) <= 64
    assert command.summary.endswith(".")


def test_help_loads_no_command() -> None:
    """The list of commands is told without what the commands need."""
    told = f"""
import sys
from imagedrift_cli.__main__ import main
try:
    main(["--help"])
except SystemExit:
    print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert "bench" in out.stdout
    assert out.stdout.endswith("loaded: []\n")


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
    """An address that the driver stumbles over is one line and exit 2, without its password."""
    monkeypatch.setenv("DATABASE_URL", url)

    result = CliRunner().invoke(main, [command])

    assert result.exit_code == 2
    assert result.output.startswith("Error: DATABASE_URL: ")
    assert "hunt" not in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["up", "--home", "/dev/null"], {}, "--home: /dev/null cannot be made: File exists"),
        (["up"], {"IMAGEDRIFT_REGISTRIES": "/no/such"}, "/no/such: cannot be read"),
        (["scan", "BAD REF"], {}, "uppercase"),
        (["bench", "dedup", "--hosts", "0"], {}, "0 is not in the range x>=1"),
    ],
)
def test_what_cannot_be_used_is_told(
    arguments: list[str],
    environment: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder, a file, a reference or a number that is wrong is exit 2, and named."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 2, result.output
    assert told in result.output
    assert result.exception is None or isinstance(
        result.exception, SystemExit | click.exceptions.Exit
    )

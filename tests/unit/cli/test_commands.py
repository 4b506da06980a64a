"""The `imagedrift` command as it is typed wrongly, and what it costs to ask it for help."""

import pytest
from click.testing import CliRunner

import imagedrift_bench as bench
from imagedrift_cli.__main__ import main
from imagedrift_cli.commands import COMMANDS
from imagedrift_cli.exits import MEANINGS, Exit
from imagedrift_cli.lazy import Command

ALL = {**COMMANDS, **{f"bench {name}": each for name, each in bench.COMMANDS.items()}}


@pytest.mark.parametrize("name", ALL)
def test_every_listed_command_is_there(name: str) -> None:
    """Every listed command has a `--help`."""
    result = CliRunner().invoke(main, [*name.split(), "--help"])

    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: main {name}")


@pytest.mark.parametrize("command", ALL.values(), ids=ALL)
def test_a_summary_fits_its_line(command: Command) -> None:
    """Each command has one line in the list on a terminal of 80 columns."""
    assert len(command.summary) <= 64
    assert command.summary.endswith(".")


def test_every_exit_code_has_a_meaning() -> None:
    """The table of exit codes has each code once."""
    assert set(MEANINGS) == set(Exit)

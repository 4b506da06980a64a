"""A command that cannot be taken back asks first, and does nothing where nobody can answer."""

import click
import pytest
from click.testing import CliRunner

from imagedrift_cli.confirmation import confirm
from imagedrift_cli.exits import Exit


@click.command()
def forgetting() -> None:
    """Ask, and do."""
    confirm("Forget it?", "forget")
    click.echo("forgotten")


def test_a_yes_goes_on() -> None:
    """A command is carried out after a yes."""
    assert CliRunner().invoke(forgetting, input="y\n").stdout == "forgotten\n"


@pytest.mark.parametrize("typed", ["n\n", ""])
def test_without_a_terminal_a_no_or_silence_is_told_with_the_option(typed: str) -> None:
    """A script learns that nothing was done, and by which option it would be."""
    result = CliRunner().invoke(forgetting, input=typed)

    assert result.exit_code == Exit.USAGE
    assert "imagedrift forget: not confirmed: --yes" in result.stderr
    assert "forgotten" not in result.stdout

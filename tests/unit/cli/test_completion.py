"""The script by which a shell completes the command."""

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main
from imagedrift_cli.completion import VARIABLE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_the_command(shell: str) -> None:
    """The script calls the command with the variable that makes it complete."""
    result = CliRunner().invoke(main, ["completion", shell])

    assert result.exit_code == 0
    assert f"{VARIABLE}={shell}_complete" in result.output
    assert "imagedrift" in result.output


def test_another_shell_is_refused() -> None:
    """The answer names those that there are."""
    result = CliRunner().invoke(main, ["completion", "tcsh"])

    assert result.exit_code == 64
    assert "fish" in result.output

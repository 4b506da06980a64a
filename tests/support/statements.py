"""The statement that a command would run."""

from click.testing import CliRunner

from imagedrift_cli.__main__ import main


def statement(*arguments: str) -> str:
    """Print a command's statement, on one line."""
    result = CliRunner().invoke(main, [*arguments, "--sql"])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())

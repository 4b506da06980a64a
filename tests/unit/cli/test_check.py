"""Asking again now: what is meant has to be said, and said in one way."""

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main


@pytest.mark.parametrize("arguments", [[], ["nginx:1", "--registry", "docker.io"]])
def test_an_image_a_host_or_a_registry_is_asked_about(arguments: list[str]) -> None:
    """One of them, and not two."""
    result = CliRunner().invoke(main, ["check", *arguments])

    assert result.exit_code == 64
    assert "name an image or a host, or give --registry" in result.output


@pytest.mark.parametrize("arguments", [["nginx:1"], ["--registry", "docker.io"]])
def test_a_site_is_that_of_a_host(arguments: list[str]) -> None:
    """A site is refused, and not dropped, where no host is named."""
    result = CliRunner().invoke(main, ["check", *arguments, "--site", "fra1"])

    assert result.exit_code == 64
    assert "--site chooses a host" in result.output


@pytest.mark.parametrize("seconds", ["0", "3601", "soon"])
def test_the_wait_for_answers_is_bounded(seconds: str) -> None:
    """A wrong one is told with its option."""
    result = CliRunner().invoke(main, ["check", "nginx:1", "--wait", seconds])

    assert result.exit_code == 64
    assert "--wait" in result.output

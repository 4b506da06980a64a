"""Notes beside the rows of an answer."""

import pytest

from imagedrift_cli.failures import NotFound
from imagedrift_cli.listing import noted


def test_what_is_said_beside_rows_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Remarks and proposals are cleaned as rows are."""
    odd = "web-1\x1b]0;pwned\x07\u202e"
    NotFound("host", "web", [odd]).show()
    for text in (noted(f"fra1/web-1 is degraded: {odd}"), capsys.readouterr().err.rstrip("\n")):
        assert "web-1\ufffd" in text
        assert text.isprintable()

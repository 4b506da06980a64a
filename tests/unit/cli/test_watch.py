"""From when on `imagedrift watch` follows."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main
from imagedrift_cli.failures import BadUsage
from imagedrift_cli.watch import moment_of
from support.ingest import NOW


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("5min", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_a_span_is_before_now(text: str, span: timedelta) -> None:
    """A number and its unit."""
    assert moment_of(text, NOW) == NOW - span


@pytest.mark.parametrize("text", ["2026-11-26T18:00Z", "2026-11-26T19:00+01:00"])
def test_a_moment_has_its_zone(text: str) -> None:
    """As ISO 8601 has it."""
    assert moment_of(text, NOW) == datetime(2026, 11, 26, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2x", "9999999d", "999999w", "2026-13-01", "-1h", "0001-01-01"]
)
def test_what_is_no_moment_is_told_with_what_is_right(text: str) -> None:
    """The line names the option."""
    with pytest.raises(BadUsage, match=r"--since .*2h"):
        moment_of(text, NOW)


def test_a_stream_has_no_query() -> None:
    """`-o sql` is a wrong argument."""
    result = CliRunner().invoke(main, ["watch", "-o", "sql"])

    assert result.exit_code == 64
    assert "no -o sql" in result.stderr

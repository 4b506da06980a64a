"""Where rows are shown: a terminal, or a pipe that takes whole lines."""

import io
import sys

import pytest

from imagedrift_cli.display import Display, current
from support.ingest import NOW


class Terminal(io.TextIOWrapper):
    """Standard output that is a terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("term", "no_color", "has_colours"),
    [("xterm", "", True), ("dumb", "", False), ("xterm", "1", False)],
)
def test_colours_are_for_a_terminal_that_has_them(
    monkeypatch: pytest.MonkeyPatch, term: str, no_color: str, has_colours: bool
) -> None:
    """NO_COLOR and a dumb terminal have none."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("COLUMNS", "93")
    monkeypatch.setattr(sys, "stdout", Terminal("utf-8"))

    seen = current()

    assert (seen.is_terminal, seen.width) == (True, 93)
    assert seen.has_colours is has_colours


def test_a_pipe_has_no_width_and_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal around it does not matter."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))

    seen = current()

    assert (seen.is_terminal, seen.width, seen.has_colours) == (False, None, False)


@pytest.mark.parametrize(("encoding", "ellipsis"), [("utf-8", "…"), ("ascii", "~")])
def test_an_ellipsis_is_one_that_the_locale_has(
    monkeypatch: pytest.MonkeyPatch, encoding: str, ellipsis: str
) -> None:
    """ASCII has none of one character."""
    monkeypatch.setattr(sys, "stdout", Terminal(encoding))

    assert current().ellipsis == ellipsis
    assert Display(now=NOW).ellipsis == "…"

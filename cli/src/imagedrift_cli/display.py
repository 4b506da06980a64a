"""Where rows are shown: a terminal of some width, or a pipe or file that takes whole lines."""

import shutil
import sys
from datetime import datetime
from typing import Annotated

from msgspec import Struct

from imagedrift_runtime import clock, settings
from imagedrift_runtime.settings import Variable


class DisplaySettings(Struct, frozen=True, kw_only=True):
    """How a terminal shows rows."""

    no_color: Annotated[str, Variable("NO_COLOR", "no colours on a terminal, where it is set")] = ""
    term: Annotated[str, Variable("TERM", "kind of terminal; `dumb` has no colours")] = ""


class Display(Struct, frozen=True, kw_only=True):
    """The place where a form is shown, and its limits."""

    now: datetime
    width: int | None = None
    """Columns of the terminal; None where it is none, and lines have no end."""
    has_colours: bool = False
    is_unicode: bool = True

    @property
    def is_terminal(self) -> bool:
        """Whether somebody looks at it."""
        return self.width is not None

    @property
    def ellipsis(self) -> str:
        """Return the sign of left out characters."""
        return "…" if self.is_unicode else "~"


def current() -> Display:
    """Look at standard output."""
    values = settings.load(DisplaySettings)
    encoding = (getattr(sys.stdout, "encoding", "") or "").lower()
    on_terminal = sys.stdout.isatty()
    return Display(
        now=clock.now(),
        width=shutil.get_terminal_size().columns if on_terminal else None,
        has_colours=on_terminal and not values.no_color and values.term != "dumb",
        is_unicode=encoding.startswith("utf"),
    )

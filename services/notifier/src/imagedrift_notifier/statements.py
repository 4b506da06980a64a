"""Reads the named statements of `statements.sql`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from imagedrift_runtime import named_sql


@cache
def statements() -> Mapping[str, str]:
    """Return every statement by name."""
    text = files("imagedrift_notifier").joinpath("statements.sql").read_text(encoding="utf-8")
    return {name: each.sql for name, each in named_sql.read(text).items()}

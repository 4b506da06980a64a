"""Reads the named statements of `queries.sql`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from imagedrift_runtime import named_sql


@cache
def statements() -> Mapping[str, str]:
    """Return every statement by name."""
    text = files("imagedrift_dashboard").joinpath("queries.sql").read_text(encoding="utf-8")
    return {name: each.sql for name, each in named_sql.read(text).items()}

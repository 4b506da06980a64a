"""Reads the named statements of `queries.sql`, and those of `decisions.sql`, which write."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from imagedrift_runtime import named_sql


@cache
def statements() -> Mapping[str, str]:
    """Return every statement that reads, by name."""
    return _read("queries.sql")


@cache
def decision_statements() -> Mapping[str, str]:
    """Return the statements that decide, by name."""
    return _read("decisions.sql")


def _read(file: str) -> Mapping[str, str]:
    text = files("imagedrift_dashboard").joinpath(file).read_text(encoding="utf-8")
    return {name: each.sql for name, each in named_sql.read(text).items()}

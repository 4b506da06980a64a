"""The canned questions: named statements over `ops.*` with named parameters.

The same text that runs can be printed, with its values filled in, so that an operator can carry on
from it in psql. Statements stand in ``queries.sql``.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from imagedrift_runtime import named_sql
from imagedrift_runtime.named_sql import filled_in, positional

__all__ = ["composed", "filled_in", "positional", "statements", "unordered"]


@cache
def statements() -> Mapping[str, str]:
    """Read every named statement: name to SQL text with ``:parameters``."""
    text = files("imagedrift_cli").joinpath("queries.sql").read_text()
    return {name: each.sql for name, each in named_sql.read(text).items()}


def composed(name: str, **clauses: str) -> str:
    """Fill a statement's clauses in; a line that stays empty goes."""
    text = statements()[name]
    for clause, sql in clauses.items():
        text = text.replace(f"{{{clause}}}", sql)
    return "\n".join(line for line in text.splitlines() if line.strip())


def unordered(text: str) -> str:
    """Leave out the order of a statement's rows, where only their number matters."""
    return text.rpartition("\nORDER BY ")[0] or text

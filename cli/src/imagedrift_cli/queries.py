"""The canned questions: named statements over `ops.*` with named parameters.

The same text that runs can be printed, with its values filled in, so that an operator can carry on
from it in psql. Statements stand in ``queries.sql``.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from imagedrift_runtime import named_sql

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)\b")


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


def positional(statement: str, values: Mapping[str, object]) -> tuple[str, list[object]]:
    """Turn ``:name`` into ``$1``…, as the driver wants it: the text and its arguments."""
    order: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name not in order:
            order.append(name)
        return f"${order.index(name) + 1}"

    return _PARAMETER.sub(number, statement), [values[name] for name in order]


def filled_in(statement: str, values: Mapping[str, object]) -> str:
    """Write the statement with its values as literals, to be run in psql as it is."""
    return _PARAMETER.sub(lambda match: _literal(values[match[1]]), statement) + ";"


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case tuple() | list():
            return f"ARRAY[{', '.join(map(_literal, value))}]"
        case _:
            return "'" + str(value).replace("'", "''") + "'"

"""Reads the named statements of `sql/statements/*.sql`."""

import importlib.resources
from functools import cache

from imagedrift_runtime import named_sql


@cache
def load(file: str) -> dict[str, str]:
    """Return the statements of `<file>.sql` by name."""
    source = importlib.resources.files("imagedrift_ingest") / "sql" / "statements" / f"{file}.sql"
    statements = named_sql.read(source.read_text(encoding="utf-8"))
    return {name: each.sql for name, each in statements.items()}

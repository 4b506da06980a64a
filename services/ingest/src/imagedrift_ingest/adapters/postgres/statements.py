"""Reads the named statements of `sql/statements/*.sql`.

A file is a sequence of

    -- name: gate
    -- What it does, for whoever reads the file.
    SELECT …;
"""

import importlib.resources
import re
from functools import cache
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load(file: str) -> dict[str, str]:
    """Return the statements of `<file>.sql` by name."""
    source = importlib.resources.files("imagedrift_ingest") / "sql" / "statements" / f"{file}.sql"
    parts = _NAME.split(source.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))

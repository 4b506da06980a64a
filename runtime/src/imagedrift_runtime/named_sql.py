"""Reads the named statements of a `.sql` file.

A file is a sequence of

    -- name: store_hosts
    -- What it does, for whoever reads the file.
    INSERT …;
"""

import re
from itertools import takewhile
from typing import Final

from msgspec import Struct

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT: Final = "--"


class Statement(Struct, frozen=True):
    """One statement, and what its first lines say of it."""

    comment: str
    sql: str
    """Without its comments at the margin, and without the semicolon."""


def read(text: str) -> dict[str, Statement]:
    """Return the statements of a file by name, in their order."""
    parts = _NAME.split(text)
    return dict(zip(parts[1::2], map(_statement, parts[2::2]), strict=True))


def _statement(part: str) -> Statement:
    lines = part.strip().splitlines()
    comment = takewhile(lambda line: line.startswith(_COMMENT), lines)
    sql = "\n".join(line for line in lines if not line.startswith(_COMMENT))
    return Statement(
        comment="\n".join(line.removeprefix(_COMMENT).strip() for line in comment),
        sql=sql.strip().removesuffix(";"),
    )

"""Real programs that not every machine has: skip with the reason, or fail where CI demands them."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

DEMAND = "IMAGEDRIFT_REQUIRE_REAL"
"""Set to 1 it demands everything: what is missing is a failure."""


def require_program(name: str, install: str) -> Path:
    """The path of a program; skips the test, or fails it under IMAGEDRIFT_REQUIRE_REAL=1."""
    found = shutil.which(name, path=f"{os.getenv('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        missing(name, install)
    return Path(found)


def missing(what: str, install: str) -> NoReturn:
    """Say that something real is not here: a skip, or a failure under IMAGEDRIFT_REQUIRE_REAL=1."""
    reason = f"needs {what}: {install}"
    if os.getenv(DEMAND) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)

"""ARCHITECTURE.md names files that exist, so that a reader finds the code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = [*ROOT.glob("*/src"), *ROOT.glob("services/*/src"), ROOT]
PATH = re.compile(r"`((?:imagedrift_\w+|tests)/[\w./-]*)`")


def named_paths() -> list[str]:
    """Every path of a package, or of the tests, in ARCHITECTURE.md."""
    return PATH.findall((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))


def test_every_path_of_the_architecture_page_exists() -> None:
    """Each path is a file or a folder of a member's sources, or of the repository."""
    missing = [path for path in named_paths() if not any((s / path).exists() for s in SOURCES)]

    assert missing == []


def test_the_architecture_page_leads_into_every_service() -> None:
    """The page names files of every service, so that the check above has something to check."""
    packages = {path.partition("/")[0] for path in named_paths()}

    assert packages >= {"imagedrift_agent", "imagedrift_resolver", "imagedrift_ingest"}

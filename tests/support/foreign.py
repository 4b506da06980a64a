"""Programs in another language: JavaScript on Node, with NATS' own client."""

from pathlib import Path

from support.programs import missing, require_program
from support.samples import ROOT

FOLDER = ROOT / "tests" / "e2e" / "foreign"


def node() -> Path:
    """Return Node, once the programs' packages are there; skips the test otherwise."""
    program = require_program("node", "apt-get install nodejs npm")
    if not (FOLDER / "node_modules").is_dir():
        missing("packages of npm", "make foreign")
    return program

"""Exit codes of the command: one table, which scripts and `docs/cli.md` read alike."""

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """The exit codes of a command."""

    ANSWERED = 0
    OUTDATED = 1
    UNTOLD = 2
    MISSING = 3
    NOT_FOUND = 4
    USAGE = 64
    UNAVAILABLE = 69
    DEFECT = 70
    INTERRUPTED = 130


MEANINGS: Final[dict[Exit, str]] = {
    Exit.ANSWERED: "Asked and answered, or done. Also where the reader of a pipe has closed it.",
    Exit.OUTDATED: "`scan`, `outdated --exit-code`: something is outdated. `demo`: a check failed.",
    Exit.UNTOLD: "`scan`, `check`: at least one image could not be judged."
    " `migrate`: ingest or readers lack rights.",
    Exit.MISSING: "`scan`: a tag is missing.",
    Exit.NOT_FOUND: "No such host, image, site, place, label, registry, letter, plan or decision;"
    " the nearest names are told.",
    Exit.USAGE: "A wrong argument or setting; the nearest right one is told.",
    Exit.UNAVAILABLE: "A server, the engine or a disk does not do its part; the line says whose.",
    Exit.DEFECT: "A defect of imagedrift, with its traceback.",
    Exit.INTERRUPTED: "Ended by Ctrl-C or SIGTERM before it was done.",
}
"""The meaning of each, for `docs/cli.md`."""

"""How a command fails: one line on standard error, and an exit code of `exits`.

A line names what was wrong, and what to do. What an operator can cause never has a traceback.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

import click

from imagedrift_cli.exits import Exit

MOST_TOLD: Final = 300
"""Characters of a name that an error repeats."""


class CommandFailure(click.ClickException):
    """The end of a command, in a line."""

    exit_code = int(Exit.UNAVAILABLE)

    def format_message(self) -> str:
        """Write it without control characters: names come from hosts and registries."""
        from imagedrift_cli import cells  # noqa: PLC0415 - as in `suggestion`

        return "\n".join(map(cells.exact, self.message.splitlines()))


class Unusable(CommandFailure):
    """A server, the engine or a disk does not do its part."""


class BadUsage(CommandFailure):
    """An argument or a setting is wrong."""

    exit_code = int(Exit.USAGE)


class NotFound(CommandFailure):
    """The named host, image or site does not exist."""

    exit_code = int(Exit.NOT_FOUND)

    def __init__(
        self, kind: str, name: str, names: Iterable[str] = (), hint: str = "", also: str = ""
    ) -> None:
        told = suggestion(nearest(name[:MOST_TOLD], names)) or hint
        super().__init__("; ".join(filter(None, [f"no such {kind}: {_begun(name)}", told, also])))


def _begun(name: str) -> str:
    """Write a name as far as it is needed to see which one it is."""
    return name if len(name) <= MOST_TOLD else f"{name[:MOST_TOLD]}..."


class RightsMissing(CommandFailure):
    """Ingest or readers lack rights that this login may not give."""

    exit_code = int(Exit.UNTOLD)


def nearest(name: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Choose the names that a slip of the keyboard may have meant, the likeliest first."""
    lowered = {each.lower(): each for each in names}
    inside = sorted((each for each in lowered if name.lower() in each), key=len)
    close = difflib.get_close_matches(name.lower(), lowered, n=most, cutoff=0.6)
    return [lowered[each] for each in dict.fromkeys([*close, *inside])][:most]


def suggestion(names: Sequence[str]) -> str:
    """Say which names may have been meant; empty for none."""
    from imagedrift_cli import cells  # noqa: PLC0415 - not loaded for `--help`, which names nothing

    return f"did you mean {' or '.join(map(cells.exact, names))}?" if names else ""

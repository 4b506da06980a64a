"""Remarks on one image: the version that hosts run and would get, what is newer, and its base."""

from collections.abc import Awaitable, Callable, Sequence

from imagedrift_cli.cells import Row
from imagedrift_cli.database import Reader
from imagedrift_cli.listing import Remarks, noted

STEPS = ("patch", "minor", "major")


class _Version:
    """Remarks on the version of one reference."""

    def __init__(self, known: Row | None, others: Remarks | None) -> None:
        self._known = known
        self._others = others
        self._runs: set[str] = set()
        self._gets: set[str] = set()
        self._replaced: set[str] = set()
        self._has_rows = False

    def see(self, rows: Sequence[Row]) -> None:
        """Take note of the versions that rows tell."""
        self._has_rows = self._has_rows or bool(rows)
        self._runs |= {row["local_version"] for row in rows if row.get("local_version")}
        self._gets |= {row["remote_version"] for row in rows if row.get("remote_version")}
        self._replaced |= {
            row.get("base_name") or "another image" for row in rows if row.get("base_outdated")
        }
        if self._others:
            self._others.see(rows)

    def lines(self) -> list[str]:
        """Name its version and the newer ones, as far as they are known."""
        others = self._others.lines() if self._others else []
        line = sentence_of(self._known, self._runs, self._gets) if self._has_rows else ""
        lines = [line] if line else []
        if self._replaced:
            lines.append(f"built on {' and '.join(sorted(self._replaced))}, which was replaced")
        return [*map(noted, lines), *others]


def on_version(
    reference: str, others: Callable[[Reader], Awaitable[Remarks]] | None = None
) -> Callable[[Reader], Awaitable[Remarks]]:
    """Make the reader of a reference's newer versions; it remarks on them before others."""

    async def remarking(reader: Reader) -> Remarks:
        rows = await reader.named("version_of", reference=reference)
        return _Version(rows[0] if rows else None, await others(reader) if others else None)

    return remarking


def sentence_of(known: Row | None, runs: set[str], gets: set[str]) -> str:
    """Put the known versions into words; empty where none is known."""
    runs = runs or ({known["version"]} if known else set())
    parts = [f"runs {' and '.join(sorted(runs))}"] if runs else []
    if gets and gets != runs:
        parts.append(f"would get {' and '.join(sorted(gets))}")
    newer = _newer(known) if known else ""
    return "; ".join([", ".join(parts), newer] if newer else [", ".join(parts)])


def _newer(known: Row) -> str:
    """Name the newer versions of the repository, or the reason why they are not known."""
    named = [f"newest {step} {tag}" for step in STEPS if (tag := known[f"newest_{step}"])]
    states = {known[f"{step}_state"] for step in STEPS}
    if named:
        return ", ".join(named)
    if "unknown" not in states:
        return "nothing newer"
    return f"what is newer is not known: {_why_unknown(known)}"


def _why_unknown(known: Row) -> str:
    if known["error"]:
        return str(known["error"])
    if known["truncated"]:
        return f"the list of tags is cut: {known['truncated']}"
    if known["left_out"]:
        return "more of its repository is in use than is looked at"
    if known["listed_at"] is None:
        return "not listed yet"
    if known["is_old"]:
        return "the list of tags is old"
    return "a tag is not resolved yet, or the list lacks tags"

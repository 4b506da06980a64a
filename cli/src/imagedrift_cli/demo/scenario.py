"""The demonstration's acts, each checked against a truth known beforehand.

An act prints what it asked, in SQL, and what it got. A check that does not hold is collected and
makes the demonstration fail in the end.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.syntax import Syntax

from imagedrift_cli import tables
from imagedrift_cli.database import Reader
from imagedrift_cli.demo import catalogue
from imagedrift_cli.display import Display
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_sandbox.fleet.publishing import publish
from imagedrift_sandbox.registry.server import SandboxRegistry

ANSWERED_WITHIN_S = 30.0
FLIPPED_WITHIN_S = 30.0
LISTED_WITHIN_S = 60.0
UNCONFIRMED = "digest_differs"
"""The reason of an outdated image before its index is known."""

VERDICTS = """\
SELECT verdict, reason, count(*) AS images, count(DISTINCT host) AS hosts, min(error) AS error
FROM ops.comparisons WHERE site = 'demo'
GROUP BY verdict, reason ORDER BY images DESC"""

WORST = """\
SELECT reference, hosts, running_hosts, outdated_hosts
FROM ops.images ORDER BY outdated_hosts DESC, reference LIMIT 8"""

PROGRESS = """\
SELECT count(DISTINCT host) AS hosts, count(*) AS images,
       count(*) FILTER (WHERE reason = 'not_checked') AS waiting
FROM ops.comparisons WHERE site = 'demo'"""

STAR = """\
SELECT reference, hosts, outdated_hosts, remote_digest, remote_since
FROM ops.images WHERE reference = '{reference}'"""

FLIPPED = """\
SELECT hostname, verdict, local_digests, remote_digest
FROM ops.outdated WHERE reference = '{reference}' ORDER BY hostname LIMIT 3"""

NEWER = """\
SELECT reference, newest_patch, newest_minor, newest_major, behind, running_hosts
FROM ops.versions WHERE reference = '{reference}'"""

WITHIN = (
    "SELECT ops.decide('{reference}', '{{}}', 'within', NULL, 'minor versions are safe', 'minor')"
)

BEHIND = """\
SELECT cause, reference, newest, step, count(*) AS images, min(available_since) AS available_since
FROM ops.due WHERE reference = '{reference}' GROUP BY cause, reference, newest, step
ORDER BY newest"""

OUTDATED = """\
SELECT reference FROM ops.images WHERE outdated_hosts > 0 AND reference <> $1
ORDER BY outdated_hosts DESC, reference LIMIT 2"""

WAIT = "SELECT ops.decide('{reference}', '{{}}', 'wait', NULL, 'others try it first', '2 days')"

SKIP = "SELECT ops.decide('{reference}', '{{}}', 'skip', NULL, 'the next one has the fix')"

DUE = """\
SELECT 'due' AS state, reference, count(*) AS images, min(due_at) AS due_at, NULL AS excused_by
FROM ops.due WHERE reference IN ({references}) GROUP BY reference
UNION ALL
SELECT kind, reference, count(*), min(due_at), min(excused_by)
FROM ops.excused WHERE reference IN ({references}) GROUP BY kind, reference
ORDER BY state, reference"""


class Scenario:
    """Tells the demonstration, and remembers which checks failed."""

    def __init__(
        self, reader: Reader, registry: SandboxRegistry, console: Console, freshness_s: int
    ) -> None:
        self._reader = reader
        self._registry = registry
        self._console = console
        self._freshness_s = freshness_s
        self.failed: list[str] = []
        self.products = catalogue.stock(registry)
        self._truth: Counter[str] = Counter()
        self._images = 0
        self._reported: set[str] = set()

    async def fleet_reports(self, connection: bus.Bus, hosts: int, progress: Progress) -> None:
        """Publish one inventory per simulated host."""
        task = progress.add_task("hosts report their images", total=hosts)
        self.fleet = fleet = catalogue.DemoFleet(hosts, self.products)
        for _, choice in fleet.rows():
            self._truth[choice.verdict] += 1
            self._images += 1
            self._reported.add(choice.image.reference)
        self._started = time.monotonic()
        inventories = (fleet.inventory(number, now()) for number in range(hosts))
        await publish(connection, inventories, lambda: progress.advance(task))

    async def everything_is_answered(self, hosts: int, progress: Progress) -> None:
        """Wait until every image of every host has been judged by a registry's answer."""
        task = progress.add_task("images judged", total=self._images)

        async def all_are_judged() -> bool:
            [row] = await self._reader.ask(PROGRESS)
            progress.update(task, completed=row["images"] - row["waiting"])
            return bool((row["hosts"], row["images"], row["waiting"]) == (hosts, self._images, 0))

        if not await _within(ANSWERED_WITHIN_S, all_are_judged):
            self.failed.append(f"not every image was judged within {ANSWERED_WITHIN_S:.0f} s")
        # What was learnt of indexes changes a verdict for good, a moment later.
        if not await _within(ANSWERED_WITHIN_S, self._is_true):
            self.failed.append("the verdicts are not what was built into the fleet")
        self._seconds = time.monotonic() - self._started

    async def verdicts_are_told(self, hosts: int) -> None:
        """Print how many hosts, images, references and requests, and the verdicts."""
        totals = self._registry.totals()
        askable = {c.image.reference for p in self.products if p.asked for c in p.choices}
        asked = len(askable & self._reported)
        facts = (
            ("hosts that reported", hosts),
            ("images on them", self._images),
            ("distinct references", len(self._reported)),
            ("of these asked of a registry", asked),
            ("HEAD requests to the registry", totals.head_requests),
            ("GET requests, to look inside an index", totals.get_requests),
            ("seconds from the first report to the last verdict", f"{self._seconds:.1f}"),
        )
        rows = [
            {"what": name, "number": f"{value:,}" if isinstance(value, int) else value}
            for name, value in facts
        ]
        self._print_rows(rows, ("what=What it took", "number"))
        periods = 1 + int((time.monotonic() - self._started) / self._freshness_s)
        most = (asked + len(catalogue.NEWER)) * periods
        if not asked <= totals.head_requests <= most:
            self.failed.append(f"{totals.head_requests} HEADs were made for {asked} references")
        await self._show(VERDICTS, "Verdicts")
        await self._show(WORST, "Images that most hosts should replace")

    async def a_tag_moves(self, hosts: int, progress: Progress) -> None:
        """Push a new image under a tag that every host runs, and see every host flip."""
        reference = self._registry.reference(catalogue.STAR, catalogue.TAG)
        digest = catalogue.move_the_star(self._registry)
        task = progress.add_task(f"a new {catalogue.STAR}:{catalogue.TAG} is pushed", total=hosts)
        query = STAR.format(reference=reference)

        async def flipped() -> bool:
            [row] = await self._reader.ask(query)
            progress.update(task, completed=row["outdated_hosts"])
            return bool(row["outdated_hosts"] == hosts and row["remote_digest"] == digest)

        if not await _within(FLIPPED_WITHIN_S, flipped):
            self.failed.append(f"not all {hosts} hosts flipped within {FLIPPED_WITHIN_S:.0f} s")

    async def the_flip_is_told(self) -> None:
        """Print the moved tag and some of its hosts."""
        reference = self._registry.reference(catalogue.STAR, catalogue.TAG)
        await self._show(STAR.format(reference=reference), "The moved tag")
        await self._show(FLIPPED.format(reference=reference), "Three of its hosts")

    async def what_is_due_is_told(self) -> None:
        """Let the moved tag wait, skip one image, and see that a third one alone is due."""
        moved = self._registry.reference(catalogue.STAR, catalogue.TAG)
        skipped, left = [row["reference"] for row in await self._reader.ask(OUTDATED, moved)]
        for sql in (WAIT.format(reference=moved), SKIP.format(reference=skipped)):
            self._print_sql(sql)
            await self._reader.ask(sql)
        named = ", ".join(f"'{each}'" for each in (moved, skipped, left))
        query = DUE.format(references=named)
        await self._show(query, "One waits, one is skipped, one is due")
        states = {row["reference"]: row["state"] for row in await self._reader.ask(query)}
        if states != {moved: "wait", skipped: "skip", left: "due"}:
            self.failed.append("what is due is not what was decided")

    async def newer_versions_are_told(self, hosts: int, progress: Progress) -> None:
        """Show the newer versions of a tag that never moves, and make its minor ones due."""
        reference = self._registry.reference(catalogue.FIXED, catalogue.FIXED_TAG)
        task = progress.add_task(f"the tags of {catalogue.FIXED} are listed", total=1)
        query = NEWER.format(reference=reference)

        async def is_told() -> bool:
            rows = await self._reader.ask(query)
            newest = [(row["newest_patch"], row["newest_minor"]) for row in rows]
            return bool(newest == [catalogue.NEWER])

        if not await _within(LISTED_WITHIN_S, is_told):
            self.failed.append(f"no newer version was told within {LISTED_WITHIN_S:.0f} s")
        progress.advance(task)
        await self._show(query, "A tag that never moves, and what is newer in its repository")
        sql = WITHIN.format(reference=reference)
        self._print_sql(sql)
        await self._reader.ask(sql)
        query = BEHIND.format(reference=reference)
        await self._show(query, "Versions up to the next minor one are asked for, and so are due")
        rows = await self._reader.ask(query)
        if [(row["newest"], row["images"]) for row in rows] != [
            (n, hosts) for n in catalogue.NEWER
        ]:
            self.failed.append("the newer versions are not due on every host")

    async def _is_true(self) -> bool:
        rows = await self._reader.ask(VERDICTS)
        found: Counter[str] = Counter()
        for row in rows:
            found[row["verdict"]] += row["images"]
        is_confirmed = all(row["reason"] != UNCONFIRMED for row in rows)
        return is_confirmed and found == self._truth

    async def _show(self, sql: str, title: str) -> None:
        rows: Sequence[dict[str, Any]] = await self._reader.ask(sql)
        self._print_sql(sql)
        self._console.print(f"[italic]{title}[/italic]")
        self._print_rows(rows, list(rows[0]) if rows else ())

    def _print_rows(self, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
        seen = Display(now=now(), width=self._console.width)
        for line in tables.as_table(rows, columns, seen):
            self._console.print(line, markup=False, highlight=False, no_wrap=True)

    def _print_sql(self, sql: str) -> None:
        self._console.print()
        self._console.print(Syntax(sql + ";", "sql", background_color="default", word_wrap=True))


async def _within(seconds: float, condition: Callable[[], Awaitable[bool]]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await condition():
            return True
        await asyncio.sleep(0.1)
    return False

"""`imagedrift bench versions`: what it costs to know what is newer than what a fleet pins.

A registry has `--repositories` with `--tags` each, in four tracks whose numbers are drawn by
chance. Hosts run three of each repository's tags. The truth is the generator's own: it sorts
numbers, and reads no tag. The time runs from the first inventory until the view tells of every
reference what is newer.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import click

from imagedrift_bench import report
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.fleet.hosts import Fleet
from imagedrift_sandbox.fleet.publishing import publish
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_sandbox.stack import Stack, named_registry
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import LocalImage

VersionNumbers = tuple[int, int, int]

TRACKS: Final = ("{}.{}.{}", "{}.{}.{}-alpine", "v{}.{}.{}", "20{:02d}.{}.{}")
PINNED: Final = 3
MAJORS, MINORS, PATCHES = range(11, 19), range(1, 13), range(60)
IMAGES_OF_HOST: Final = 60
POLL_S: Final = 0.5
WITHIN_S: Final = 1800.0
MOST_KEPT: Final = 32 * 1024
SHOWN_WRONG: Final = 3
SHOWN: Final = """\
SELECT v.reference, v.newest_patch, v.newest_minor, v.newest_major, v.behind, v.error, (
  SELECT string_agg(n.step || ' ' || n.state || ': ' || coalesce(c.error, d.error, ''), ', ')
  FROM fleet.image_refs AS r
  JOIN fleet.newer AS n ON n.ref_id = r.ref_id AND n.state <> 'newer'
  JOIN fleet.answers AS c ON c.ref_id = n.candidate_ref_id
  LEFT JOIN fleet.descriptions AS d ON d.digest = c.remote_digest
  WHERE r.reference = v.reference
) AS not_newer
FROM ops.versions AS v"""
TOLD: Final = """\
SELECT count(*) FILTER (WHERE l.listed_at IS NOT NULL) AS listed,
       count(*) FILTER (WHERE v.is_compared AND NOT EXISTS (
         SELECT FROM fleet.newer AS n
         WHERE n.ref_id = v.ref_id AND n.state IN ('unresolved', 'failed')
       )) AS told
FROM fleet.versions AS v
JOIN fleet.tag_lists AS l ON l.list_id = v.list_id
JOIN fleet.answers AS a ON a.ref_id = v.ref_id AND a.hosts > 0"""
TRUNCATED: Final = "SELECT count(*) FROM fleet.tag_lists WHERE truncated <> ''"


class Pin(NamedTuple):
    """A tag that hosts run, and the tags that are newer: of patch, minor and major."""

    repository: str
    tag: str
    newest: tuple[str | None, str | None, str | None]
    behind: int


@click.command("versions")
@report.count("--repositories", 200)
@report.count("--tags", 500, "Tags of each repository.")
@report.as_json
def command(repositories: int, tags: int, as_json: bool) -> None:
    """Lists, candidates and their truth for a fleet that pins versions."""
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        Path(home).chmod(0o755)
        figures, failed = asyncio.run(_measure(Path(home), repositories, tags))
    report.finish("versions", figures, as_json=as_json, failed_checks=failed)


async def _measure(
    home: Path, repositories: int, tags: int
) -> tuple[dict[str, float | int], list[str]]:
    registry = SandboxRegistry()
    async with (
        registry.serving(),
        Stack.running(home, registries_toml=named_registry(registry.host)) as stack,
        bus.connect([stack.nats.url], "imagedrift-bench") as nats,
        asyncpg.create_pool(stack.dsn, min_size=1, max_size=1) as database,
    ):
        report.progress.print(f"pushing {repositories} repositories of {tags} tags")
        pins = [pin for n in range(repositories) for pin in _stock(registry, n, tags)]
        await stack.start_ingest()
        await stack.start_resolver()
        fleet = PinnedFleet(registry, pins)
        messages = [fleet.inventory(n, now()) for n in range(fleet.hosts)]
        began = time.monotonic()
        await publish(nats, messages)
        listed_s = await _until(database, "listed", len(pins), began)
        told_s = await _until(database, "told", len(pins), began)
        truncated = await database.fetchval(TRUNCATED)
        wrong = await _wrong_rows(database, fleet, pins)
        kept = max(await _bytes_of_lists(nats, registry, repositories))
        lists = await nats.last_seq(f"KV_{subjects.BUCKET_TAGS}")
        totals = registry.totals()
    figures: dict[str, float | int] = {
        "list_requests": lists,
        "list_pages": totals.kinds.get("tags", 0),
        "head_requests": totals.head_requests,
        "get_requests": totals.get_requests,
        "seconds": round(told_s, 1),
        "listed_seconds": round(listed_s, 1),
        "bytes_kept_per_repository_max": kept,
        "references": len(pins),
        "truncated": truncated,
        "wrong": len(wrong),
    }
    return figures, [*_complaints(figures, wrong, repositories)]


def _complaints(
    figures: dict[str, float | int], wrong: Sequence[str], repositories: int
) -> Iterator[str]:
    """Tell what is not as it must be."""
    if wrong:
        yield f"{len(wrong)} of {figures['references']} rows are wrong"
    yield from wrong[:SHOWN_WRONG]
    if (kept := figures["bytes_kept_per_repository_max"]) > MOST_KEPT:
        yield f"a list of {kept} bytes is kept"
    if truncated := figures["truncated"]:
        yield f"{truncated} lists were truncated"
    if (lists := figures["list_requests"]) != repositories:
        yield f"{lists} lists were made of {repositories}"


class PinnedFleet(Fleet[int]):
    """Hosts that run the pinned tags, so many each."""

    def __init__(self, registry: SandboxRegistry, pins: Sequence[Pin]) -> None:
        super().__init__("bench", -(-len(pins) // IMAGES_OF_HOST))
        self._registry = registry
        self._pins = pins

    def images_of(self, number: int) -> Sequence[int]:
        """Number the images of a host."""
        first = number * IMAGES_OF_HOST
        return range(first, min(first + IMAGES_OF_HOST, len(self._pins)))

    def image(self, held: int) -> LocalImage:
        """Make an image of a tag, which is running."""
        pin = self._pins[held]
        pushed = self._registry.push_image(pin.repository, pin.tag, seed=held + 1)
        return LocalImage(
            reference=self.reference(pin),
            image_id=pushed.configs["linux/amd64"],
            repo_digests=(pushed.digest,),
            containers=("main",),
            running=1,
        )

    def reference(self, pin: Pin) -> str:
        """Name a pinned tag in full."""
        return self._registry.reference(pin.repository, pin.tag)


def _stock(registry: SandboxRegistry, number: int, tags: int) -> Iterator[Pin]:
    """Push a repository, with an image of its own for each tag that is to be shown as newer."""
    dice = random.Random(number)  # noqa: S311 - no secret
    repository = f"bench/app{number:05d}"
    space = [(a, b, c) for a in MAJORS for b in MINORS for c in PATCHES]
    tracks = {form: dice.sample(space, tags // len(TRACKS)) for form in TRACKS}
    names = [form.format(*each) for form, members in tracks.items() for each in members]
    registry.push_tags(repository, names)
    pins = [_pin(repository, form, tracks[form], dice) for form in dice.sample(TRACKS, PINNED)]
    newer = sorted({tag for pin in pins for tag in pin.newest if tag})
    for seed, tag in enumerate(newer):
        registry.push_image(repository, tag, seed=-1 - seed)
    yield from pins


def _pin(repository: str, form: str, members: Sequence[VersionNumbers], dice: random.Random) -> Pin:
    """Choose a tag, and find the newer ones by its numbers alone."""
    own = dice.choice(members)
    newer = [each for each in members if each > own]
    steps = (
        [each for each in newer if each[:2] == own[:2]],
        [each for each in newer if each[0] == own[0] and each[1] > own[1]],
        [each for each in newer if each[0] > own[0]],
    )
    patch, minor, major = (form.format(*max(step)) if step else None for step in steps)
    return Pin(repository, form.format(*own), (patch, minor, major), len(newer))


async def _wrong_rows(database: Any, fleet: PinnedFleet, pins: Sequence[Pin]) -> list[str]:
    """Compare each row with its pin, and write those that differ."""
    rows = {row["reference"]: row for row in await database.fetch(SHOWN)}
    shown = [(pin, rows.get(fleet.reference(pin))) for pin in pins]
    return [f"{pin}: {dict(row or {})}" for pin, row in shown if not _is_right(row, pin)]


def _is_right(row: asyncpg.Record | None, pin: Pin) -> bool:
    """Tell whether a row agrees with its pin; not every newer tag has to be counted."""
    if row is None:
        return False
    shown = (row["newest_patch"], row["newest_minor"], row["newest_major"])
    counted = row["behind"] is not None and 0 <= row["behind"] <= pin.behind
    return shown == pin.newest and counted and (row["behind"] > 0) == (pin.behind > 0)


async def _until(database: Any, what: str, count: int, began: float) -> float:
    """Wait until so many rows are there, and return how many seconds it took.

    A row is told when none of its candidates is still to be resolved; what failed is asked again.
    """
    deadline = began + WITHIN_S
    while (row := await database.fetchrow(TOLD))[what] < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: {row[what]} of {count} within {WITHIN_S:.0f} s")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began


async def _bytes_of_lists(nats: Bus, registry: SandboxRegistry, repositories: int) -> list[int]:
    """Return how many bytes are kept of each repository."""
    bucket = await nats.bucket(subjects.BUCKET_TAGS)
    keys = [
        f"{subjects.escape(registry.host)}.{subjects.escape(f'bench/app{n:05d}')}"
        for n in range(repositories)
    ]
    entries = [await bucket.get(key) for key in keys]
    return [len(entry.value) if entry else 0 for entry in entries]

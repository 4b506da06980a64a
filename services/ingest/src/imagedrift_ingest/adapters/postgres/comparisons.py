"""References and comparisons in PostgreSQL: found in memory, else in the database, else made.

Rules:
- What exists is never touched: an insert that finds its row there is still work for the database.
- New rows are made in transactions of their own, sorted, so that replicas cannot deadlock. They
  count them for the hosts that bring them (`core.quota`), in the database: no restart and no
  second replica lets a host bring more.
- Of many new images so many are made at a time that others, who bring a few, need not wait.
- A comparison is born with its verdict. The answer that it is made of stays locked until the
  commit, so that an answer arriving at the same time either is seen here or sees the new row.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import quota
from imagedrift_ingest.core.answers import AnswerState
from imagedrift_ingest.core.bounded_cache import BoundedCache
from imagedrift_ingest.core.images import Image, ImageKey, weight
from imagedrift_ingest.core.policy import policy_of
from imagedrift_ingest.core.verdict import LocalSide, Verdict, judge
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Child

SQL = load("comparisons")
MOST_REMEMBERED = 64 * 1024 * 1024
"""Bytes."""
MADE_AT_ONCE = 1000
"""Images: some twenty milliseconds of judging."""

_children = msgspec.json.Decoder(tuple[Child, ...])


class Locked(Struct, frozen=True):
    """A reference whose answer this transaction holds."""

    ref_id: int
    reference: str
    policy: str
    state: AnswerState


class ComparisonIds:
    """Keys of comparisons, by what they are of."""

    def __init__(
        self,
        database: Database,
        is_named: Callable[[str], bool] = lambda _: False,
        freshness_s: float = 300.0,
        most_new: int = quota.MOST_NEW,
    ) -> None:
        self._database = database
        self._most_new = most_new
        self._is_named = is_named
        self._freshness_s = freshness_s
        self.made = 0
        """How many comparisons were new: a reason to look for new questions."""
        self._ids: BoundedCache[ImageKey, int] = BoundedCache(MOST_REMEMBERED)
        self._one_at_a_time = asyncio.Lock()

    def forget(self) -> None:
        """Forget every key; batches at work keep those that they have."""
        self._ids = BoundedCache(MOST_REMEMBERED)

    async def keys_of(self, brought: Mapping[int, Sequence[Image]]) -> Mapping[ImageKey, int]:
        """Return the keys of hosts' comparisons, making rows for new ones, as far as they may."""
        ids = self._ids
        wanted = {image.key for images in brought.values() for image in images}
        found = {key: known for key in wanted if (known := ids.get(key)) is not None}
        for some in _portions(brought, found):
            found |= await self._found_or_made(ids, some)
        return found

    async def _found_or_made(
        self, ids: BoundedCache[ImageKey, int], brought: Mapping[int, Sequence[Image]]
    ) -> dict[ImageKey, int]:
        wanted = {image.key for images in brought.values() for image in images}
        async with self._one_at_a_time:
            # Another batch may have brought the same images meanwhile.
            known = {key: an_id for key in wanted if (an_id := ids.get(key)) is not None}
            new = await self._find_or_make(wanted - known.keys(), brought)
            for key, comparison_id in new.items():
                ids.put(key, comparison_id, weight(key))
        return known | new

    async def _find_or_make(
        self, new: Collection[ImageKey], brought: Mapping[int, Sequence[Image]]
    ) -> dict[ImageKey, int]:
        if not new:
            return {}
        ordered = sorted(new, key=msgspec.structs.astuple)
        found = await self._database.transaction(lambda c: _find(c, ordered))
        missing = {key for key in ordered if key not in found}
        if missing:
            lacking = {
                host_id: lacks
                for host_id, images in brought.items()
                if (lacks := [image for image in images if image.key in missing])
            }
            made = await self._database.transaction(lambda c: self._make(c, lacking))
            self.made += len(made)
            found |= made
        return found

    async def _make(
        self, connection: asyncpg.Connection, lacking: Mapping[int, Sequence[Image]]
    ) -> dict[ImageKey, int]:
        images = await self._within_quota(connection, lacking)
        if not images:
            return {}
        references = sorted({image.key.reference for image in images})
        await add_references(connection, references, self._is_named)
        locked = {ref.reference: ref for ref in await lock(connection, references)}
        inside = await read_inside(connection, [ref.state for ref in locked.values()])
        rows = [_comparison(image, locked[image.key.reference], inside) for image in images]
        made = await connection.fetch(SQL["add_comparisons"], *arguments(rows, 11))
        to_ask = sorted({locked[i.key.reference].ref_id for i in images if i.key.repo_digests})
        await connection.execute(SQL["make_due"], to_ask, self._freshness_s)
        ids = {row[1:]: row[0] for row in map(tuple, made)}
        places = [(image.key, row[:7]) for image, row in zip(images, rows, strict=True)]
        found = {key: ids[place] for key, place in places if place in ids}
        # Another replica made the others first.
        return found | await _find(connection, [key for key, place in places if place not in ids])

    async def _within_quota(
        self, connection: asyncpg.Connection, lacking: Mapping[int, Sequence[Image]]
    ) -> list[Image]:
        """Count new images for the hosts that bring them; those that may be made, in order."""
        rows = await connection.fetch(SQL["open_quotas"], sorted(lacking))
        made = {row["host_id"]: row["made"] for row in rows}
        given = quota.granted(lacking, made, self._most_new)
        spent = sorted(Counter(given.values()).items())
        await connection.execute(SQL["spend"], *arguments(spent, 2))
        images = {image.key: image for brings in lacking.values() for image in brings}
        return [images[key] for key in sorted(given, key=msgspec.structs.astuple)]


def _portions(
    brought: Mapping[int, Sequence[Image]], known: Container[ImageKey]
) -> Iterator[dict[int, list[Image]]]:
    """Yield what hosts bring that is not known, so many images at a time: what runs first."""
    bringing: dict[ImageKey, list[tuple[int, Image]]] = {}
    for host_id, images in brought.items():
        for image in images:
            if image.key not in known:
                bringing.setdefault(image.key, []).append((host_id, image))
    ordered = sorted(
        bringing.values(), key=lambda each: all(image.local.running <= 0 for _, image in each)
    )
    for first in range(0, len(ordered), MADE_AT_ONCE):
        some: dict[int, list[Image]] = {}
        for host_id, image in itertools.chain.from_iterable(ordered[first : first + MADE_AT_ONCE]):
            some.setdefault(host_id, []).append(image)
        yield some


async def add_references(
    connection: asyncpg.Connection, references: Sequence[str], is_named: Callable[[str], bool]
) -> None:
    """Make rows for references, sorted, that are not there yet."""
    rows = [_reference(text, is_named) for text in references]
    await connection.execute(SQL["add_refs"], *arguments(rows, 5))
    await connection.execute(SQL["add_answers"], list(references))


async def lock(
    connection: asyncpg.Connection, references: Sequence[str], digests: Sequence[str] = ()
) -> list[Locked]:
    """Lock the answers of references, and of all that point to the digests, in id order."""
    rows = await connection.fetch(SQL["lock"], list(references), list(digests))
    return [
        Locked(
            row["ref_id"],
            row["reference"],
            row["policy"],
            AnswerState(**{name: row[name] for name in AnswerState.__struct_fields__}),
        )
        for row in rows
    ]


async def read_inside(
    connection: asyncpg.Connection, states: Iterable[AnswerState]
) -> dict[str, tuple[Child, ...]]:
    """Read what is inside the digests that references point to."""
    return await read_descriptions(
        connection, {state.remote_digest for state in states if state.remote_digest}
    )


async def read_descriptions(
    connection: asyncpg.Connection, digests: Iterable[str]
) -> dict[str, tuple[Child, ...]]:
    """Read what is inside digests, as far as that is known."""
    rows = await connection.fetch(SQL["inside"], sorted(digests))
    return {row["digest"]: _children.decode(row["children"]) for row in rows}


def judge_locked(local: LocalSide, ref: Locked, inside: Mapping[str, tuple[Child, ...]]) -> Verdict:
    """Judge a local image by what is known of its locked reference."""
    remote = ref.state.remote
    return judge(local, remote, inside.get(remote.digest))


def local_side_by_policy(policy: str, **facts: Any) -> LocalSide:
    """Make the local side of a comparison, its reference's policy included."""
    return LocalSide(pinned=policy == "pinned", machine_bound=policy == "machine_bound", **facts)


async def _find(connection: asyncpg.Connection, keys: Sequence[ImageKey]) -> dict[ImageKey, int]:
    if not keys:
        return {}
    rows = [(nth, key.reference, *_identity(key)) for nth, key in enumerate(keys)]
    found = await connection.fetch(SQL["find"], *arguments(rows, 8))
    return {keys[row["nth"]]: row["comparison_id"] for row in found}


def _reference(text: str, is_named: Callable[[str], bool]) -> tuple[Any, ...]:
    parsed = ImageReference.parse(text)
    tag = None if parsed.is_pinned else parsed.key.rpartition(":")[2]
    return text, parsed.registry, parsed.repository, tag, policy_of(parsed, is_named)


def _comparison(
    image: Image, ref: Locked, inside: Mapping[str, tuple[Child, ...]]
) -> tuple[Any, ...]:
    key, said = image.key, image.local
    local = local_side_by_policy(
        ref.policy,
        image_id=key.image_id,
        repo_digests=key.repo_digests,
        platform=key.platform,
        manifest_digest=key.manifest_digest,
        digest_lost=key.digest_lost,
    )
    verdict = judge_locked(local, ref, inside)
    facts = (said.size, said.created_at, verdict.verdict, verdict.reason)
    return (ref.ref_id, *_identity(key), *facts)


def _identity(key: ImageKey) -> tuple[Any, ...]:
    """Lay out what tells an image from others of its reference. Digests are joined by commas."""
    digests = ",".join(key.repo_digests)
    told = (key.manifest_digest or None, key.digest_lost, key.by_digest)
    return (key.image_id, digests, key.platform, *told)

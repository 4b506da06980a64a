"""References and comparisons in PostgreSQL: found in memory, else in the database, else made.

Rules:
- What exists is never touched: an insert that finds its row there is still work for the database.
- New rows are made in transactions of their own, sorted, so that replicas cannot deadlock. They
  count them for the hosts that bring them (`core.quota`), in the database: no restart and no
  second replica lets a host bring more. They wait for no disk: the hosts, stored later, do.
- Of many new images so many are made at a time that others, who bring a few, need not wait. Batches
  make images of different references at the same time (`reference_locks`).
- A comparison is born with its verdict. The answer that it is made of stays locked until the
  commit, so that an answer arriving at the same time either is seen here or sees the new row.
- Size and date are kept once, as the first host told them. A host that tells others keeps its own
  (`own_facts`), so that none decides for another: one with another snapshotter has another size.
  As part of the identity they would make an image of every size that a disk gives it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg

from imagedrift_ingest.adapters.postgres import descriptions
from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.reference_locks import ReferenceLocks
from imagedrift_ingest.adapters.postgres.references import LockedReference, add_references, lock
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.adapters.postgres.version_facts import add_versions, as_json
from imagedrift_ingest.core import quota, versions
from imagedrift_ingest.core.bounded_cache import BoundedCache
from imagedrift_ingest.core.described_content import DescribedContent
from imagedrift_ingest.core.identities import ImageKey, weight
from imagedrift_ingest.core.images import Facts, HostImage

SQL = load("comparisons")
QUOTAS = load("quotas")
MOST_REMEMBERED = 64 * 1024 * 1024  # bytes
MADE_AT_ONCE = 1000
"""Images: some twenty milliseconds of judging."""
FACTS_BYTES = 200  # of a key and facts, about


class Comparison(NamedTuple):
    """The keys of a comparison and its reference, and the facts that its first host told."""

    comparison_id: int
    ref_id: int
    facts: Facts
    has_versions: bool = False
    """Whether the facts of its labels are stored: most images have no such label."""


class ComparisonIds:
    """Comparisons, by the images that they are of."""

    def __init__(
        self,
        database: Database,
        is_named: Callable[[str], bool],
        freshness_s: float,
        most_new: int,
    ) -> None:
        self._database = database
        self._most_new = most_new
        self._is_named = is_named
        self._freshness_s = freshness_s
        self.made = 0
        """How many comparisons were new: a reason to look for new questions."""
        self.bringers: set[int] = set()
        """The hosts that brought them, since these were last taken."""
        self._known: BoundedCache[ImageKey, Comparison] = BoundedCache(MOST_REMEMBERED)
        self._locks = ReferenceLocks()

    def forget(self) -> None:
        """Forget every key; batches at work keep those that they have."""
        self._known = BoundedCache(MOST_REMEMBERED)

    def take_bringers(self) -> set[int]:
        """Return the hosts that brought new comparisons, and begin anew."""
        taken, self.bringers = self.bringers, set()
        return taken

    async def keys_of(
        self, brought: Mapping[int, Sequence[HostImage]]
    ) -> Mapping[ImageKey, Comparison]:
        """Return hosts' comparisons, making rows for new ones, as far as they may."""
        known = self._known
        wanted = {image.key for images in brought.values() for image in images}
        found = _remembered(known, wanted)
        lacking = _having(brought, wanted - found.keys())
        new = _running_first(wanted - found.keys(), lacking)
        while new:
            async with self._locks.take(new, MADE_AT_ONCE) as some:
                found |= await self._found_or_made(known, some, lacking)
            done = set(some)
            new = [key for key in new if key not in done]
        return found | await self._add_versions(known, found, brought)

    async def _add_versions(
        self,
        known: BoundedCache[ImageKey, Comparison],
        found: Mapping[ImageKey, Comparison],
        brought: Mapping[int, Sequence[HostImage]],
    ) -> dict[ImageKey, Comparison]:
        """Store the facts of labels of images that lack them, and return these images."""
        lacking = {key: one.comparison_id for key, one in found.items() if not one.has_versions}
        told = await add_versions(self._database, lacking, brought.values())
        stored = {key: found[key]._replace(has_versions=True) for key in told}
        for key, comparison in stored.items():
            known.put(key, comparison, weight(key) + FACTS_BYTES)
        return stored

    async def _found_or_made(
        self,
        known: BoundedCache[ImageKey, Comparison],
        wanted: Collection[ImageKey],
        brought: Mapping[int, Sequence[HostImage]],
    ) -> dict[ImageKey, Comparison]:
        # Another batch may have brought the same images meanwhile.
        found = _remembered(known, wanted)
        identities = {key: key.identity for key in wanted if key not in found}
        new = await self._find_or_make(identities, brought) if identities else {}
        for key, comparison in new.items():
            known.put(key, comparison, weight(key) + FACTS_BYTES)
        return found | new

    async def _find_or_make(
        self, new: Mapping[ImageKey, bytes], brought: Mapping[int, Sequence[HostImage]]
    ) -> dict[ImageKey, Comparison]:
        found = await _find(self._database, new)
        missing = {key: identity for key, identity in new.items() if key not in found}
        if not missing:
            return found
        lacking = _having(brought, missing)
        made = await self._database.transaction(self._make, missing, lacking)
        self.made += len(made)
        self.bringers |= lacking.keys()
        return found | made

    async def _make(
        self,
        connection: asyncpg.Connection,
        missing: Mapping[ImageKey, bytes],
        lacking: Mapping[int, Sequence[HostImage]],
    ) -> dict[ImageKey, Comparison]:
        images = await self._within_quota(connection, lacking)
        if not images:
            return {}
        refs = await self._hold(connection, {image.key.reference for image in images}, lacking)
        inside = await descriptions.read_inside(connection, [ref.state for ref in refs.values()])
        rows = [_comparison(image, refs[image.key.reference], inside) for image in images]
        made = await connection.fetch(SQL["add_comparisons"], *arguments(rows, 12))
        ids = {(ref_id, identity): key for key, ref_id, identity in map(tuple, made)}
        found: dict[ImageKey, Comparison] = {}
        others: dict[ImageKey, bytes] = {}  # another replica made them first
        for image in images:
            key, identity = image.key, missing[image.key]
            ref_id = refs[key.reference].ref_id
            made_id = ids.get((ref_id, identity))
            if made_id is None:
                others[key] = identity
            else:
                facts = Facts(image.local.size, image.local.created_at)
                found[key] = Comparison(
                    made_id, ref_id, facts, bool(versions.of_local(image.local))
                )
        return found | await _find(connection, others) if others else found

    async def _hold(
        self,
        connection: asyncpg.Connection,
        references: Collection[str],
        lacking: Mapping[int, Sequence[HostImage]],
    ) -> dict[str, LockedReference]:
        """Make rows for new references and lock the others, which are to be asked soon."""
        made = await add_references(connection, references, self._is_named, lacking)
        old = sorted(set(references) - made.keys())
        if not old:
            return made
        locked = {ref.reference: ref for ref in await lock(connection, old)}
        to_ask = {
            locked[image.key.reference].ref_id
            for images in lacking.values()
            for image in images
            if image.key.repo_digests and image.key.reference in locked
        }
        await connection.execute(SQL["make_due"], sorted(to_ask), self._freshness_s)
        return made | locked

    async def _within_quota(
        self, connection: asyncpg.Connection, lacking: Mapping[int, Sequence[HostImage]]
    ) -> list[HostImage]:
        """Count new images for the hosts that bring them; those that may be made, in order."""
        rows = await connection.fetch(QUOTAS["open_quotas"], sorted(lacking))
        made = {row["host_id"]: row["made"] for row in rows}
        given = quota.granted(lacking, made, self._most_new)
        spent = sorted(Counter(given.values()).items())
        await connection.execute(QUOTAS["spend_images"], *arguments(spent, 2))
        images = {image.key: image for brings in lacking.values() for image in brings}
        return [images[key] for key in given]


def _having(
    brought: Mapping[int, Sequence[HostImage]], keys: Collection[ImageKey]
) -> dict[int, list[HostImage]]:
    """Return the hosts that bring some of the images, with these."""
    return {
        host_id: some
        for host_id, images in brought.items()
        if (some := [image for image in images if image.key in keys])
    }


def _running_first(
    new: Collection[ImageKey], brought: Mapping[int, Sequence[HostImage]]
) -> list[ImageKey]:
    """Order new images, if they are too many to be made at once: what runs first."""
    if len(new) <= MADE_AT_ONCE:
        return list(new)
    running = {i.key for images in brought.values() for i in images if i.local.running > 0}
    return sorted(new, key=lambda key: key not in running)


def _remembered(
    known: BoundedCache[ImageKey, Comparison], wanted: Iterable[ImageKey]
) -> dict[ImageKey, Comparison]:
    return {key: found for key in wanted if (found := known.get(key)) is not None}


async def _find(
    database: Database | asyncpg.Connection, identities: Mapping[ImageKey, bytes]
) -> dict[ImageKey, Comparison]:
    keys = [*identities]
    found = await database.fetch(
        SQL["find"], [key.reference for key in keys], [*identities.values()]
    )
    return {
        keys[nth - 1]: Comparison(key, ref_id, Facts(size, created_at), has_versions)
        for nth, key, ref_id, size, created_at, has_versions in found
    }


def _comparison(
    image: HostImage, ref: LockedReference, inside: Mapping[str, DescribedContent]
) -> tuple[Any, ...]:
    key, reported = image.key, image.local
    local = descriptions.local_side_by_policy(
        ref.policy,
        image_id=key.image_id,
        repo_digests=key.repo_digests,
        platform=key.platform,
        manifest_digest=key.manifest_digest,
        digest_lost=key.digest_lost,
    )
    verdict = descriptions.judge_locked(local, ref, inside)
    digests = ",".join(key.repo_digests)
    flags = (key.digest_lost or None, key.by_digest or None)  # of most, neither
    told = (key.platform, key.manifest_digest or None, *flags)
    labels = versions.of_local(reported)
    sizes = (reported.size, reported.created_at)
    facts = (*sizes, verdict.verdict, verdict.reason, as_json(labels))
    return (ref.ref_id, key.image_id, digests, *told, *facts)

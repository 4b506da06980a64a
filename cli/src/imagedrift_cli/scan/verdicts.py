"""From a host's images to verdicts: the flow of a whole fleet in small, a question a reference."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from imagedrift_ingest.core.explanation import explained
from imagedrift_ingest.core.verdict import Verdict, judge, local_side_of, remote_side_of
from imagedrift_schemas.questions import question_about
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    Child,
    Describe,
    Described,
    LocalImage,
    Question,
)

AT_ONCE = 16
MOST_IMAGE_IDS = 100
LOOKED_INTO = ("digest_differs", "digest_lost")


class Asks(Protocol):
    """Answers questions: the registries themselves, or a fleet's resolvers."""

    async def ask(self, question: Question) -> AnyAnswer:
        """Answer one question."""


class ScanFinding(Struct, frozen=True, kw_only=True):
    """One local image and its verdict."""

    image: LocalImage
    verdict: Verdict
    answer: Answer | None = None


async def judged(
    images: Sequence[LocalImage],
    asks: Asks,
    *,
    now: datetime,
    is_named: Callable[[str], bool],
    done: Callable[[], None],
) -> list[ScanFinding]:
    """Judge every image; `done` is called once for each reference that is settled."""
    by_reference: dict[str, list[LocalImage]] = {}
    for image in images:
        by_reference.setdefault(image.reference, []).append(image)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(text: str, same: list[LocalImage]) -> list[ScanFinding]:
        async with free:
            found = await _reference(ImageReference.parse(text), same, asks, now, is_named)
        done()
        return found

    found = await asyncio.gather(*(one(text, same) for text, same in by_reference.items()))
    return [finding for each in found for finding in each]


async def _reference(
    reference: ImageReference,
    images: list[LocalImage],
    asks: Asks,
    now: datetime,
    is_named: Callable[[str], bool],
) -> list[ScanFinding]:
    """Judge the images of one reference by as few questions as the verdicts need."""
    bound = reference.is_machine_bound and not is_named(reference.registry)
    local = [local_side_of(reference, image, machine_bound=bound) for image in images]
    answer: Answer | None = None
    if not bound and not reference.is_pinned and any(image.repo_digests for image in images):
        answer = await _tag(reference, asks, now)
    known = remote_side_of(answer) if answer else None
    verdicts = [judge(each, known) for each in local]
    differing = [i for i, v in zip(images, verdicts, strict=True) if v.reason in LOOKED_INTO]
    undescribed = ""
    if differing and known and known.digest:
        inside, undescribed = await _inside(reference, known.digest, differing, asks, now)
        verdicts = [judge(each, known, inside) for each in local]
    return [
        ScanFinding(
            image=image,
            verdict=explained(verdict, undescribed=undescribed, by_digest=image.by_digest is True),
            answer=answer,
        )
        for image, verdict in zip(images, verdicts, strict=True)
    ]


async def _tag(reference: ImageReference, asks: Asks, now: datetime) -> Answer | None:
    answer = await asks.ask(question_about(reference, now, now - timedelta(minutes=5)))
    return answer if isinstance(answer, Answer) else None


async def _inside(
    reference: ImageReference, digest: str, images: list[LocalImage], asks: Asks, now: datetime
) -> tuple[tuple[Child, ...], str]:
    """Ask for the content of a digest: its children, as far as they are known, and the fault."""
    described = await asks.ask(
        Describe(
            registry=reference.registry,
            repository=reference.repository,
            digest=digest,
            asked_at=now,
            platforms=tuple(sorted({image.platform for image in images})),
            image_ids=tuple(sorted(set(filter(None, map(_configuration, images)))))[
                :MOST_IMAGE_IDS
            ],
        )
    )
    if not isinstance(described, Described):
        return (), ""
    failure = described.failure
    why = failure.reason or str(failure.__struct_config__.tag) if failure else ""
    return described.children, why


def _configuration(image: LocalImage) -> str:
    """Return an image id that is a configuration's; an engine may name images by their manifest."""
    by_manifest = image.manifest_digest or image.image_id in image.repo_digests
    return "" if by_manifest else image.image_id

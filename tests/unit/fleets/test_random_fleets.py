"""20,000 random fleets through agent, resolver and verdict have no false verdict.

Nothing is sent anywhere: the engine's replies, the registry's documents and the decisions of all
three services meet in memory. `support.random_fleets` knows which bytes run.
"""

import json
from collections import Counter
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from imagedrift_agent.core import decoding, records
from imagedrift_agent.core.inventory import list_images
from imagedrift_agent.core.lists import with_manifests, with_own_digest
from imagedrift_agent.core.traits import traits_of
from imagedrift_ingest.core.verdict import RemoteSide, Verdict, judge, local_side_of
from imagedrift_resolver.core.conversation import RegistryProfile, Send
from imagedrift_resolver.core.description import Description, describe
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Describe, Limited, LocalImage
from support.conversations import NOW, play, site
from support.engine_replies import Variant, replies
from support.random_fleets import REPOSITORY, RandomFleet, make_fleet

T = TypeVar("T")
WORLDS = 20_000
BLOCKS = 4
NAME = f"{REPOSITORY}:1"
SEEN = {
    *("current/digest_match", "current/platform_match"),
    *("outdated/digest_differs", "outdated/platform_differs"),
    *("local/no_repo_digest", "unknown/digest_lost"),
}
"""Every verdict that random fleets have to bring about."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_world_has_a_false_verdict(block: int) -> None:
    """Each verdict agrees with the bytes of the local image and of the tag."""
    seen: Counter[str] = Counter()
    for seed in range(block * WORLDS // BLOCKS, (block + 1) * WORLDS // BLOCKS):
        fleet = make_fleet(seed)
        images = listed(fleet)
        assert images, f"fleet {seed} lists nothing under its tag"
        for image in images:
            spends = seed % 10 != 0
            judged = verdict(fleet, image, images, spends=spends)
            where = f"fleet {seed}, {fleet.kind}: {image}, {judged}"
            if judged.reason == "digest_differs":
                assert not spends or not is_knowable(fleet, image), where
            if spends or judged.reason != "digest_differs":
                check(fleet, image, judged, where)
            seen[f"{judged.verdict}/{judged.reason}"] += 1
    assert seen.keys() >= SEEN


def check(fleet: RandomFleet, image: LocalImage, judged: Verdict, where: str) -> None:
    """Hold a verdict against the bytes that run."""
    meant = variants_of(fleet, image)
    current = {fleet.is_current(each) for each in meant} | {fleet.tag == fleet.held.target} - {
        False
    }
    if not fleet.held.is_pulled:
        assert judged.verdict == "local", where
    elif judged.verdict == "current":
        assert True in current, where
    elif judged.verdict == "outdated":
        assert True not in current or not all(map(fleet.is_named, meant)), where
    else:
        assert (judged.reason, fleet.held.is_tagged) == ("digest_lost", False), where


def variants_of(fleet: RandomFleet, image: LocalImage) -> list[Variant]:
    """The images of the fleet that one row of the inventory may stand for."""
    held = fleet.held.variants
    if fleet.kind in ("classic", "podman"):
        return [each for each in held if each.config == image.image_id]
    named = [each for each in held if each.manifest == image.manifest_digest]
    return named or list(held)


def is_knowable(fleet: RandomFleet, image: LocalImage) -> bool:
    """Tell whether engine and registry say enough to be certain of a difference."""
    return all(map(fleet.is_named, variants_of(fleet, image))) and fleet.offers(image.platform)


def verdict(
    fleet: RandomFleet, image: LocalImage, images: list[LocalImage], *, spends: bool
) -> Verdict:
    """Judge an image as ingest does: by the tag, then by what the resolver finds inside."""
    local = local_side_of(ImageReference.parse(NAME), image, machine_bound=False)
    known = RemoteSide(digest=fleet.tag)
    judged = judge(local, known)
    if judged.reason not in ("digest_differs", "digest_lost"):
        return judged
    return judge(local, known, look_inside(fleet, images, spends=spends).children)


def look_inside(fleet: RandomFleet, images: list[LocalImage], *, spends: bool) -> Description:
    """Look into the tag's digest for the images of a host, as its planner asks it."""
    unnamed = [i for i in images if not i.manifest_digest and i.image_id not in i.repo_digests]
    question = Describe(
        registry="registry.example.org",
        repository="team/app",
        digest=fleet.tag,
        asked_at=NOW,
        platforms=tuple(sorted({i.platform for i in unnamed})),
        image_ids=tuple(sorted({i.image_id for i in unnamed})),
    )

    def serve(step: Send) -> Reply | Limited:
        return fleet.serve(step) if spends or not step.spare else Limited(reason="kept")

    found, _, _ = play(describe(site(), RegistryProfile(), question, (), NOW), serve)  # type: ignore[arg-type]
    return found


def listed(fleet: RandomFleet) -> list[LocalImage]:
    """Return the agent's image of the engine's replies, under the tag's reference."""
    answers = replies(fleet.kind, fleet.native, [fleet.held])
    summaries = [read(each, records.ImageSummary) for each in answers["/images/json"]]
    version, info = (
        read(answers["/version"], records.EngineVersion),
        read(answers["/info"], records.Info),
    )
    images = [
        with_manifests(read(answers[f"/images/{each.id}/json"], records.EngineImage), each)
        for each in summaries
    ]
    traits = traits_of(version, info, images)
    containers = [container_of(each, answers) for each in answers["/containers/json"]]
    image_list = list_images([with_own_digest(i, traits) for i in images], containers, traits)
    return [image for image in image_list.images if image.reference == NAME]


def container_of(container: dict[str, Any], answers: dict[str, Any]) -> records.Container:
    """A container with the reference that it was made from."""
    details = read(answers[f"/containers/{container['Id']}/json"], records.ContainerDetail)
    return replace(read(container, records.Container), image=details.config.image)


def read(document: object, kind: type[T]) -> T:
    """Read a document as the agent does."""
    return decoding.read(json.dumps(document).encode(), kind)

"""20,000 random worlds, through agent, resolver and verdict: no false current, no false outdated.

Nothing is sent anywhere: the engine's replies, the registry's documents and the decisions of all
three services meet in memory. `support.worlds` knows which bytes run.
"""

import json
from collections import Counter

import pytest
from msgspec.structs import replace

from imagedrift_agent.core import records
from imagedrift_agent.core.inventory import take_census
from imagedrift_ingest.core.verdict import Judgement, Known, judge, local_of
from imagedrift_resolver.core.conversation import Manners, Send
from imagedrift_resolver.core.description import Description, describe
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Describe, Limited, LocalImage
from support.conversations import NOW, play, site
from support.engine_replies import Variant, replies
from support.worlds import REPOSITORY, World, make_world

WORLDS = 20_000
BLOCKS = 4
NAME = f"{REPOSITORY}:1"
SEEN = {
    *("current/digest_match", "current/platform_match"),
    *("outdated/digest_differs", "outdated/platform_differs"),
    *("local/no_repo_digest", "unknown/digest_lost"),
}
"""Every verdict that random worlds have to bring about."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_world_has_a_false_verdict(block: int) -> None:
    """What runs is what the tag points to, or it is not: each verdict agrees with the bytes."""
    seen: Counter[str] = Counter()
    for seed in range(block * WORLDS // BLOCKS, (block + 1) * WORLDS // BLOCKS):
        world = make_world(seed)
        images = listed(world)
        assert images, f"world {seed} lists nothing under its tag"
        for image in images:
            spends = seed % 10 != 0
            judged = verdict(world, image, images, spends=spends)
            where = f"world {seed}, {world.kind}: {image}, {judged}"
            check(world, image, judged, where)
            if judged.reason == "digest_differs" and spends:
                assert not is_knowable(world, image), where
            seen[f"{judged.verdict}/{judged.reason}"] += 1
    assert seen.keys() >= SEEN


def check(world: World, image: LocalImage, judged: Judgement, where: str) -> None:
    """Hold a verdict against the bytes that run."""
    meant = variants_of(world, image)
    current = {world.is_current(each) for each in meant} | {world.tag == world.held.target} - {
        False
    }
    if not world.held.is_pulled:
        assert judged.verdict == "local", where
    elif judged.verdict == "current":
        assert True in current, where
    elif judged.verdict == "outdated":
        assert True not in current or not all(map(world.is_named, meant)), where
    else:
        assert (judged.reason, world.held.is_tagged) == ("digest_lost", False), where


def variants_of(world: World, image: LocalImage) -> list[Variant]:
    """The images of the world that one row of the inventory may stand for."""
    held = world.held.variants
    if world.kind in ("classic", "podman"):
        return [each for each in held if each.config == image.image_id]
    named = [each for each in held if each.manifest == image.manifest_digest]
    return named or list(held)


def is_knowable(world: World, image: LocalImage) -> bool:
    """Tell whether engine and registry say enough to be certain of a difference."""
    return all(map(world.is_named, variants_of(world, image))) and world.offers(image.platform)


def verdict(
    world: World, image: LocalImage, images: list[LocalImage], *, spends: bool
) -> Judgement:
    """Judge an image as ingest does: by the tag, then by what the resolver finds inside."""
    local = local_of(ImageReference.parse(NAME), image, machine_bound=False)
    known = Known(digest=world.tag)
    judged = judge(local, known)
    if judged.reason not in ("digest_differs", "digest_lost"):
        return judged
    return judge(local, known, look_inside(world, images, spends=spends).children)


def look_inside(world: World, images: list[LocalImage], *, spends: bool) -> Description:
    """Look into the tag's digest for the images of a host, as its planner asks it."""
    unnamed = [i for i in images if not i.manifest_digest and i.image_id not in i.repo_digests]
    question = Describe(
        registry="registry.example.org",
        repository="team/app",
        digest=world.tag,
        asked_at=NOW,
        platforms=tuple(sorted({i.platform for i in unnamed})),
        image_ids=tuple(sorted({i.image_id for i in unnamed})),
    )

    def serve(step: Send) -> Reply | Limited:
        return world.serve(step) if spends or not step.spare else Limited(reason="kept")

    found, _, _ = play(describe(site(), Manners(), question, (), NOW), serve)  # type: ignore[arg-type]
    return found


def listed(world: World) -> list[LocalImage]:
    """What the agent makes of the engine's replies, under the reference of the tag."""
    answers = replies(world.kind, world.native, [world.held])
    summaries = records.read(
        json.dumps(answers["/images/json"]).encode(), list[records.ImageSummary]
    )
    images = []
    for summary in summaries:
        details = json.dumps(answers[f"/images/{summary.id}/json"]).encode()
        image = records.read(details, records.Image)
        by_digest = world.kind.startswith("containerd")
        images.append(replace(image, digest=image.id if by_digest else summary.digest))
    census = take_census(images, [made(c, answers) for c in answers["/containers/json"]])
    return [image for image in census.images if image.reference == NAME]


def made(container: dict[str, object], answers: dict[str, object]) -> records.Container:
    """A container with the reference that it was made from."""
    listed = records.read(json.dumps(container).encode(), records.Container)
    details = json.dumps(answers[f"/containers/{listed.id}/json"]).encode()
    return replace(listed, image=records.read(details, records.ContainerDetail).config.image)

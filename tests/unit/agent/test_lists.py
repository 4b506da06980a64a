"""The two lists of an engine, and what they say of an image without its details."""

import pytest

from imagedrift_agent.core.lists import (
    EngineLists,
    known_by_list,
    with_manifests,
    with_own_digest,
)
from imagedrift_agent.core.records import (
    Container,
    EngineImage,
    EngineManifest,
    ImageConfig,
    ImageSummary,
)
from imagedrift_agent.core.traits import EngineTraits

ID, OTHER, THIRD = (f"sha256:{digit * 64}" for digit in "123")


def test_an_image_that_only_a_container_has_is_asked_for() -> None:
    """An image whose id alone is listed, or that only a container names, is asked for once."""
    containers = [Container(id="a", image_id=OTHER), Container(id="b", image_id=OTHER[7:])]

    lists = EngineLists.of([ImageSummary(id=ID)], [THIRD, ""], containers, ["c"])

    assert [each.id for each in lists.images] == [ID, OTHER, THIRD]
    assert (lists.odd_images, lists.odd_containers) == (1, 1)


def test_a_container_made_from_a_folder_asks_for_no_image() -> None:
    """Podman makes some; their image id is empty."""
    lists = EngineLists.of([], [], [Container(id="a"), Container(id="b", image_id="sha256:")], [])

    assert lists.images == []
    assert len(lists.containers) == 2


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(1_700_000_000, "2023-11-14T22:13:20+00:00"), (0, ""), (-1, ""), (10**20, "")],
)
def test_the_list_stands_in_for_details(seconds: int, written: str) -> None:
    """Names, size, labels and date are kept; the image is marked as not detailed."""
    summary = ImageSummary(id=ID, repo_tags=("a:1",), size=7, labels={"k": "v"}, created=seconds)

    known = known_by_list(summary)

    assert known == EngineImage(
        id=ID,
        repo_tags=["a:1"],
        repo_digests=[],
        created=written,
        size=7,
        config=ImageConfig({"k": "v"}),
        is_detailed=False,
    )


def test_manifests_of_the_list_replace_those_of_the_details() -> None:
    """Where the list has none, those of the details stay."""
    here, gone = EngineManifest(available=True), EngineManifest()
    detailed = EngineImage(id=ID, manifests=[gone])

    assert with_manifests(detailed, ImageSummary(id=ID, manifests=[here])).manifests == [here]
    assert with_manifests(detailed, ImageSummary(id=ID)).manifests == [gone]


def test_only_a_containerd_store_names_an_image_by_its_own_digest() -> None:
    """The other stores name it by its configuration."""
    image = EngineImage(id=ID)

    assert with_own_digest(image, EngineTraits(store="containerd")).digest == ID
    assert with_own_digest(image, EngineTraits(store="classic")).digest == ""

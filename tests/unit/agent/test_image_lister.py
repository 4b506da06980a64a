"""The images of a host, pass after pass."""

from msgspec.structs import replace

from imagedrift_agent.core.image_lister import ImageLister
from imagedrift_agent.core.inventory import list_images
from imagedrift_agent.core.lists import with_own_digest
from imagedrift_agent.core.records import Container, EngineImage
from imagedrift_agent.core.traits import EngineTraits

IMAGE = EngineImage(id="sha256:" + "a" * 64, repo_tags=["nginx:1.27"])
CONTAINER = Container(id="c" * 64, image="nginx:1.27", image_id=IMAGE.id, state="running")
TRAITS = EngineTraits()


def copied(image: EngineImage) -> EngineImage:
    """Read the same record again."""
    return replace(image, repo_tags=list(image.repo_tags or ()))


def test_the_same_records_give_the_same_list() -> None:
    """Records that were read again and say the same give the list that was made of the first."""
    lister = ImageLister()
    first = lister.list([IMAGE], [CONTAINER], TRAITS)

    assert lister.list([copied(IMAGE)], [replace(CONTAINER)], replace(TRAITS)) is first


def test_every_change_of_a_record_is_listed() -> None:
    """A change of an image, a container or the engine, also back again, gives the list of it."""
    lister = ImageLister()
    passes: tuple[tuple[list[EngineImage], list[Container], EngineTraits], ...] = (
        ([IMAGE], [CONTAINER], TRAITS),
        ([replace(IMAGE, repo_tags=["nginx:1.28"])], [CONTAINER], TRAITS),
        ([IMAGE], [replace(CONTAINER, state="exited")], TRAITS),
        ([IMAGE], [], TRAITS),
        ([IMAGE, replace(IMAGE, id="sha256:" + "b" * 64, repo_tags=[])], [], TRAITS),
        ([IMAGE], [CONTAINER], TRAITS),
    )

    for images, containers, traits in passes:
        own = [with_own_digest(image, traits) for image in images]
        assert lister.list(images, containers, traits) == list_images(own, containers, traits)

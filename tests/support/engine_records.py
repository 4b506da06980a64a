"""Records of an engine, as short as a test can write them."""

from typing import Any

from imagedrift_agent.core.inventory import list_images
from imagedrift_agent.core.records import Container, EngineImage
from imagedrift_schemas.v1 import LocalImage

ID, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"

D1, D2, D3 = (f"sha256:{digit * 64}" for digit in "abc")


def image(
    identity: str = ID, *tags: str, digests: tuple[str, ...] = (), **more: Any
) -> EngineImage:
    """One image of the engine."""
    return EngineImage(id=identity, repo_tags=list(tags), repo_digests=list(digests), **more)


def container(reference: str, identity: str = ID, name: str = "web", **more: Any) -> Container:
    """One running container of the engine."""
    fields = {"state": "running", **more}
    return Container(id=name * 9, names=[f"/{name}"], image=reference, image_id=identity, **fields)


def images_of(images: list[EngineImage], containers: list[Container]) -> list[LocalImage]:
    """The images of the image_list."""
    return list(list_images(images, containers).images)

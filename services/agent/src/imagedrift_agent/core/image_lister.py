"""The images of a host, listed anew only where the engine's records changed.

Listing 200 images is four fifths of the work of a pass, and most passes find what the last one
found. The same records give the same list.
"""

from collections.abc import Sequence

from imagedrift_agent.core.inventory import ImageList, list_images
from imagedrift_agent.core.lists import with_own_digest
from imagedrift_agent.core.records import Container, EngineImage
from imagedrift_agent.core.traits import EngineTraits

_Records = tuple[Sequence[EngineImage], Sequence[Container], EngineTraits]


class ImageLister:
    """Lists the images of one engine, pass after pass."""

    def __init__(self) -> None:
        self._records: _Records | None = None
        self._list: ImageList

    def list(
        self, images: Sequence[EngineImage], containers: Sequence[Container], traits: EngineTraits
    ) -> ImageList:
        """Give the list of these records: the last one again when they are the same."""
        records = (images, containers, traits)
        if records != self._records:
            own = [with_own_digest(image, traits) for image in images]
            self._list = list_images(own, containers, traits)
            self._records = records
        return self._list

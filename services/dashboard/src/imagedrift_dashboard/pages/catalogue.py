"""Every page, by its path."""

from typing import Final

from imagedrift_dashboard.pages import (
    dead_letters,
    decisions,
    due,
    fleet,
    host,
    hosts,
    image,
    images,
    places,
    registries,
    versions,
    why,
)
from imagedrift_dashboard.pages.page import PageKind

PAGES: Final[tuple[PageKind, ...]] = (
    fleet.KIND,
    places.KIND,
    hosts.KIND,
    host.KIND,
    why.KIND,
    images.KIND,
    image.KIND,
    versions.KIND,
    due.KIND,
    due.EXCUSED_KIND,
    decisions.KIND,
    registries.KIND,
    dead_letters.KIND,
)

"""Facts that labels tell of an image: each host's own, stored once where hosts tell the same."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from imagedrift_schemas.v1 import LocalImage
from support.ingest import digest, image
from support.planning import Planned, planning

SHOWN = "SELECT host, local_version, base_name FROM ops.comparisons ORDER BY host"
EVIL = {"base_name": "evil.io/x:1", "base_digest": digest("evil")}
BASE = {"base_name": "r.io/base:1", "base_digest": digest("base")}


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets some questions of a registry be out at a time."""
    async with planning(dsn, outstanding=100) as made:
        yield made


def labelled(**labels: str) -> LocalImage:
    """An image with facts of its labels."""
    return replace(image(), **labels)


async def shown(planned: Planned) -> list[tuple[str, str | None, str | None]]:
    """The version and the base of each host's image."""
    return [tuple(row) for row in await planned.database.fetch(SHOWN)]


async def test_a_host_decides_for_no_other_what_the_labels_of_an_image_tell(
    planned: Planned,
) -> None:
    """Of one image each host is shown with what it told itself, whoever reported it first."""
    await planned.has("bad", labelled(version="99", **EVIL))
    await planned.has("good", labelled(version="1.27", **BASE))
    await planned.has("plain", image())
    assert await shown(planned) == [
        ("bad", "99", "evil.io/x:1"),
        ("good", "1.27", "r.io/base:1"),
        ("plain", None, None),
    ]


async def test_the_labels_of_an_image_are_stored_once_for_all_hosts_that_tell_the_same(
    planned: Planned,
) -> None:
    """Honest hosts have one row between them."""
    for host in ("web-1", "web-2", "web-3"):
        await planned.has(host, labelled(version="1.27", **BASE))
    rows = await planned.database.fetch("SELECT facts ->> 'version' FROM fleet.comparisons")
    assert [tuple(row) for row in rows] == [("1.27",)]
    own = await planned.database.fetch("SELECT own FROM fleet.host_images WHERE own IS NOT NULL")
    assert own == []


async def test_labels_that_a_host_tells_later_are_shown_for_it_alone(planned: Planned) -> None:
    """An agent that was replaced by one that reads labels changes nothing for other hosts."""
    await planned.has("web-1", image())
    await planned.has("web-2", image())
    await planned.has("web-1", labelled(version="1.27"))
    assert await shown(planned) == [("web-1", "1.27", None), ("web-2", None, None)]

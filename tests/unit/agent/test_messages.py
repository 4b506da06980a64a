"""The messages of a host: an Inventory made of a snapshot, and a heartbeat."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from imagedrift_agent.core.inventory import ImageList
from imagedrift_agent.core.messages import HostProfile, alive, fingerprint, inventory
from imagedrift_agent.core.snapshot import Snapshot
from imagedrift_schemas.codec import content_hash
from imagedrift_schemas.v1 import Inventory, LocalImage
from support.virtual_time import NOW

IMAGE = LocalImage(reference="docker.io/library/nginx:1", image_id=f"sha256:{'1' * 64}")
PROFILE = HostProfile(site="fra1", host="web-1", hostname="own", labels={"env": "prod"}, boot="b")


def inventory_with(
    *images: LocalImage, skipped: dict[str, int] | None = None, **host: Any
) -> Inventory:
    """Make an inventory of a snapshot."""
    listed = ImageList(images, skipped or {})
    return inventory(PROFILE, Snapshot(image_list=listed, engine="docker", **host), NOW)


def test_the_operators_labels_win_over_the_engines() -> None:
    """Labels that only the engine has are kept."""
    made = inventory_with(labels={"env": "test", "rack": "r7"})

    assert made.labels == {"env": "prod", "rack": "r7"}


@pytest.mark.parametrize(("told", "shown"), [("web-0001", "web-0001"), ("", "own")])
def test_the_engine_names_the_host_or_the_system_does(told: str, shown: str) -> None:
    """The name of the operating system stands in where the engine tells none."""
    assert inventory_with(hostname=told).hostname == shown


def test_the_content_is_the_hash_of_the_images_alone() -> None:
    """Equal images have an equal content, whatever else changed on the host."""
    made = inventory_with(IMAGE, skipped={"ignored": 1}, hostname="a")

    assert made.content == content_hash([IMAGE])
    assert made.skipped == {"ignored": 1}


def test_a_fingerprint_is_of_all_but_who_took_it_when() -> None:
    """An inventory that differs in its time, boot or health need not be published again."""
    made = inventory_with(IMAGE)
    again = replace(made, boot="c", taken_at=NOW + timedelta(hours=1), degraded="why", seq=7)

    assert fingerprint(again) == fingerprint(made)
    assert fingerprint(replace(made, place="dc2")) != fingerprint(made)


def test_a_heartbeat_tells_the_content_and_what_is_wrong() -> None:
    """A heartbeat has the host's identity and interval, and no images."""
    sent = alive(PROFILE, "hash", 3, "no answer", NOW)

    assert (sent.site, sent.host, sent.boot, sent.interval_s) == ("fra1", "web-1", "b", 300)
    assert (sent.content, sent.seq, sent.degraded, sent.at) == ("hash", 3, "no answer", NOW)

"""Hosts of a simulated fleet."""

from datetime import UTC, datetime
from typing import Any

from imagedrift_sandbox.fleet import Fleet, InventedFleet
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Inventory

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)

HOSTS = 200


def invented() -> InventedFleet:
    """A small fleet of references that no registry has."""
    return InventedFleet(HOSTS, images=12, references=100)


def is_what_the_codec_writes(fleet: Fleet[Any], number: int) -> bool:
    """Tell whether a host's bytes are its inventory encoded whole, with the true content hash."""
    subject, payload = fleet.inventory(number, AT)
    message = codec.decode(payload, Inventory)
    assert (
        subjects.host_of(subject)
        == (message.site, message.host)
        == (fleet.site, fleet.host(number))
    )
    assert len({image.reference for image in message.images}) == len(fleet.images_of(number))
    return (
        codec.encode(message) == payload and codec.content_hash(message.images) == message.content
    )

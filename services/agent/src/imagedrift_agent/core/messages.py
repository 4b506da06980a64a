"""The messages of a host: an Inventory made of a snapshot, and a heartbeat."""

import hashlib
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_agent.core.snapshot import Snapshot
from imagedrift_schemas.codec import content_hash, encode
from imagedrift_schemas.v1 import Alive, Inventory

_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


class HostProfile(Struct, frozen=True, kw_only=True):
    """A host as its operator describes it, and the agent that runs there."""

    site: str
    host: str
    hostname: str = ""
    labels: dict[str, str] = {}
    place: str = ""
    interval_s: int = 300
    agent_version: str = ""
    boot: str = ""


def inventory(profile: HostProfile, snapshot: Snapshot, now: datetime) -> Inventory:
    """Make an inventory of a snapshot. The operator's labels win over the engine's."""
    images = snapshot.image_list.images
    return Inventory(
        site=profile.site,
        host=profile.host,
        hostname=snapshot.hostname or profile.hostname,
        labels={**snapshot.labels, **profile.labels},
        place=profile.place,
        os=snapshot.os,
        arch=snapshot.arch,
        engine=snapshot.engine,
        engine_version=snapshot.engine_version,
        agent_version=profile.agent_version,
        boot=profile.boot,
        taken_at=now,
        interval_s=profile.interval_s,
        content=content_hash(images),
        skipped=dict(snapshot.image_list.skipped),
        images=images,
    )


def alive(profile: HostProfile, content: str, seq: int, degraded: str, now: datetime) -> Alive:
    """Make a heartbeat; no content means that the host's images are not known yet."""
    return Alive(
        site=profile.site,
        host=profile.host,
        content=content,
        boot=profile.boot,
        seq=seq,
        at=now,
        interval_s=profile.interval_s,
        degraded=degraded,
    )


def fingerprint(inventory: Inventory) -> str:
    """Hash all of an inventory but its agent and time: equal ones need not be published again."""
    plain = replace(inventory, boot="", seq=0, taken_at=_NO_TIME, degraded="")
    return hashlib.sha256(encode(plain)).hexdigest()

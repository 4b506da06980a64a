"""A look at the source becomes what the host says: an Inventory, or a sign of life."""

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
    """What the operator says about the host, and what the agent says about itself."""

    site: str
    host: str
    hostname: str = ""
    labels: dict[str, str] = {}
    place: str = ""
    interval_s: int = 300
    agent_version: str = ""
    boot: str = ""


def inventory(about: HostProfile, snapshot: Snapshot, now: datetime) -> Inventory:
    """Put together everything the host has. The operator's labels win over the engine's."""
    images = snapshot.image_list.images
    return Inventory(
        site=about.site,
        host=about.host,
        hostname=snapshot.hostname or about.hostname,
        labels={**snapshot.labels, **about.labels},
        place=about.place,
        os=snapshot.os,
        arch=snapshot.arch,
        engine=snapshot.engine,
        engine_version=snapshot.engine_version,
        agent_version=about.agent_version,
        boot=about.boot,
        taken_at=now,
        interval_s=about.interval_s,
        content=content_hash(images),
        skipped=dict(snapshot.image_list.skipped),
        images=images,
    )


def alive(about: HostProfile, content: str, seq: int, degraded: str, now: datetime) -> Alive:
    """Say that the host lives; no content means that its images are not known yet."""
    return Alive(
        site=about.site,
        host=about.host,
        content=content,
        boot=about.boot,
        seq=seq,
        at=now,
        interval_s=about.interval_s,
        degraded=degraded,
    )


def fingerprint(said: Inventory) -> str:
    """Tell apart what is worth saying again: everything but who said it when."""
    plain = replace(said, boot="", seq=0, taken_at=_NO_TIME, degraded="")
    return hashlib.sha256(encode(plain)).hexdigest()

"""A look at the source becomes what the host says: an Inventory, or a sign of life."""

import hashlib
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_agent.core.survey import Survey
from imagedrift_schemas.codec import content_hash, encode
from imagedrift_schemas.v1 import Alive, Inventory

_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


class About(Struct, frozen=True, kw_only=True):
    """What the operator says about the host, and what the agent says about itself."""

    site: str
    host: str
    hostname: str = ""
    labels: dict[str, str] = {}
    place: str = ""
    interval_s: int = 300
    agent_version: str = ""
    boot: str = ""


def inventory(about: About, survey: Survey, now: datetime) -> Inventory:
    """Put together everything the host has. The operator's labels win over the engine's."""
    images = survey.census.images
    return Inventory(
        site=about.site,
        host=about.host,
        hostname=survey.hostname or about.hostname,
        labels={**survey.labels, **about.labels},
        place=about.place,
        os=survey.os,
        arch=survey.arch,
        engine=survey.engine,
        engine_version=survey.engine_version,
        agent_version=about.agent_version,
        boot=about.boot,
        taken_at=now,
        interval_s=about.interval_s,
        content=content_hash(images),
        skipped=dict(survey.census.skipped),
        images=images,
    )


def alive(about: About, content: str, seq: int, degraded: str, now: datetime) -> Alive:
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

"""Which version an image is, beside its verdict: by its labels, and of what its tag points to."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from imagedrift_schemas.v1 import Child, Described, ImageFacts, LocalImage
from support.ingest import NGINX, NOW, Fleet, Operator, answer, digest, image

BUILT = datetime(2026, 10, 1, tzinfo=UTC)
SOURCE = "https://example.org/nginx"
BASE = "docker.io/library/debian:12"


def labelled(version: str = "1.27.3", **facts: Any) -> LocalImage:
    """An image whose labels tell its version."""
    return replace(image(), version=version, **facts)


def described(reference: str, version: object, *children: Child) -> Described:
    """The description of what a reference points to at a version."""
    message = answer(reference, version)
    return Described(
        registry=message.registry,
        repository=message.repository,
        digest=digest((reference, version)),
        checked_at=NOW,
        children=children,
    )


def child(platform: str = "linux/amd64", **facts: Any) -> Child:
    """One platform's image, with the facts in its configuration."""
    return Child(platform=platform, digest=digest(platform), facts=ImageFacts(**facts))


async def test_the_version_by_an_images_labels_is_told(
    running: None, agents: Fleet, operator: Operator
) -> None:
    """Each host is shown with what its own agent told of an image, and no other host with that."""
    await agents.has("web-1", image())
    assert (await operator.sees(NGINX, host="web-1"))["local_version"] is None

    await agents.has("web-2", labelled(source=SOURCE))
    await operator.sees(NGINX, host="web-2", local_version="1.27.3", source=SOURCE)
    await operator.sees(NGINX, host="web-1", local_version=None, source=None)

    await agents.has("web-3", replace(image("r.io/a:1"), version="2.0"))
    await operator.sees("r.io/a:1", local_version="2.0", version_inherited=None)


async def test_a_label_that_lies_costs_itself(
    running: None, agents: Fleet, operator: Operator
) -> None:
    """Another agent may send anything: the image is stored, without what cannot be shown."""
    await agents.has("web-1", labelled("x" * 10_000, source="a\x00b", base_digest="none"))
    await operator.sees(NGINX, host="web-1", local_version=None, source="a\ufffdb")


@pytest.mark.parametrize("platform", ["linux/amd64", ""])
async def test_the_version_that_a_host_would_get_is_told_beside_the_verdict(
    running: None, agents: Fleet, operator: Operator, platform: str
) -> None:
    """The version is that of the host's platform, or of the one image that the tag points to."""
    other = child("linux/arm64", version="0.0.1")
    told = child(platform, version="1.27.5", source=SOURCE, built_at=BUILT)
    await agents.has("web-1", labelled())
    await agents.answers(answer(version=2))
    await agents.answers(described(NGINX, 2, *([other] if platform else []), told))

    row = await operator.sees(NGINX, remote_version="1.27.5")
    assert (row["local_version"], row["remote_built_at"]) == ("1.27.3", BUILT)
    assert (row["verdict"], row["source"]) == ("outdated", SOURCE)
    [outdated] = await operator.ask("SELECT * FROM ops.outdated")
    assert (outdated["remote_version"], outdated["local_version"]) == ("1.27.5", "1.27.3")
    [shown] = await operator.ask("SELECT * FROM ops.images WHERE source IS NOT NULL")
    assert shown["remote_built_at"] == BUILT


async def test_a_version_is_kept_when_a_later_description_lacks_it(
    running: None, agents: Fleet, operator: Operator
) -> None:
    """Facts that were read once stay; an impossible moment is stored as none."""
    never = datetime(9999, 1, 1, tzinfo=UTC)
    await agents.has("web-1", image())
    await agents.answers(answer(version=2))
    await agents.answers(described(NGINX, 2, child(version="1.27.5\n", built_at=never)))
    await operator.sees(NGINX, remote_version="1.27.5", remote_built_at=None)

    plain = Child(platform="linux/amd64", digest=digest("linux/amd64"), config_digest=digest("c"))
    await agents.answers(described(NGINX, 2, plain))
    await agents.has("web-2", image("r.io/a:1"))
    await operator.sees("r.io/a:1")
    await operator.sees(NGINX, remote_version="1.27.5")


@pytest.mark.parametrize(("version", "inherited"), [("12", True), ("1.27.3", False)])
async def test_a_version_of_the_base_is_told_as_inherited(
    running: None, agents: Fleet, operator: Operator, version: str, inherited: bool
) -> None:
    """An image without a version of its own has the label of what it was built on."""
    await agents.has("web-1", labelled(version, base_name=BASE, base_digest=digest((BASE, 1))))
    await agents.answers(answer(BASE))
    await operator.sees(NGINX, local_version=version, version_inherited=None)

    await agents.answers(described(BASE, 1, child(version="12")))
    await operator.sees(NGINX, local_version=version, version_inherited=inherited)


async def test_an_agent_that_begins_to_tell_labels_writes_no_history(
    running: None, agents: Fleet, operator: Operator
) -> None:
    """The image that a host has is the same, however much its agent tells of it."""
    await agents.has("web-1", image())
    await operator.sees(NGINX, host="web-1")
    await agents.has("web-1", labelled())
    await operator.sees(NGINX, host="web-1", local_version="1.27.3")

    assert await operator.ask("SELECT 1 FROM ops.host_history WHERE old_digests IS NOT NULL") == []

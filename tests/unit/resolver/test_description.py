"""What is inside a digest: children by platform, and the configurations asked for."""

import hashlib
import json
from typing import Any

import pytest

from imagedrift_resolver.core.answer import described
from imagedrift_resolver.core.conversation import Manners, Send
from imagedrift_resolver.core.description import describe
from imagedrift_resolver.core.manifest import MOST_CHILDREN, OCI_INDEX, OCI_MANIFEST
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas import codec
from imagedrift_schemas.v1 import Child, Denied, Describe, Invalid, Limited, Missing, Unreachable
from support.conversations import NOW, Steps, play, site, unknown


class Shelf:
    """A registry that has documents by digest."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[bytes, str]] = {}

    def put(self, media_type: str, **document: Any) -> str:
        """Keep a document; its digest."""
        body = json.dumps({"mediaType": media_type, **document}).encode()
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        self.documents[digest] = (body, media_type)
        return digest

    def image(self, platform: str) -> tuple[str, str]:
        """Keep an image of a platform; the digests of its manifest and configuration."""
        os, architecture, *variant = platform.split("/")
        told = {"os": os, "architecture": architecture}
        config = self.put("config", **told, **({"variant": variant[0]} if variant else {}))
        return self.put(OCI_MANIFEST, config={"digest": config, "size": 1}, layers=[]), config

    def index(self, *children: tuple[str, str], **entries: str) -> str:
        """Keep an index of (digest, platform), and of indexes."""
        listed: list[dict[str, Any]] = []
        for digest, platform in children:
            os, architecture, *variant = platform.split("/")
            told = {"os": os, "architecture": architecture}
            told |= {"variant": variant[0]} if variant else {}
            listed.append({"digest": digest, "mediaType": OCI_MANIFEST, "platform": told})
        listed += [{"digest": d, "mediaType": OCI_INDEX} for d in entries.values()]
        return self.put(OCI_INDEX, manifests=listed)

    def __call__(self, step: Send) -> Reply:
        """Answer a request."""
        found = self.documents.get(step.url.target.rpartition("/")[2])
        if found is None:
            return unknown()
        return Reply(200, {"content-type": (found[1],)}, found[0])


def look(shelf: Any, digest: str, *platforms: str) -> tuple[Any, Steps]:
    """Look into a digest."""
    conversation = describe(site(), Manners(), "team/app", digest, platforms, NOW)
    result, _, steps = play(conversation, shelf)
    return result, steps


def test_an_index_is_described_by_one_request() -> None:
    """Its children and their platforms stand in it."""
    shelf = Shelf()
    (amd, _), (arm, _) = shelf.image("linux/amd64"), shelf.image("linux/arm64")
    digest = shelf.index((amd, "linux/amd64"), (arm, "linux/arm64/v8"))
    children, steps = look(shelf, digest)
    assert children == (
        Child(platform="linux/amd64", digest=amd),
        Child(platform="linux/arm64", digest=arm),
    )
    assert len(steps) == 1


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("linux/arm/v7", "v6"),
        ("linux/arm/v6", "v6"),
        ("linux/arm/v8", "v6"),
        ("linux/arm/v5", "v5"),
    ],
)
def test_a_configuration_is_read_for_the_platform_that_would_run(asked: str, chosen: str) -> None:
    """An older variant serves a newer machine, and never the other way round."""
    shelf = Shelf()
    (v5, c5), (v6, c6) = shelf.image("linux/arm/v5"), shelf.image("linux/arm/v6")
    digest = shelf.index((v5, "linux/arm/v5"), (v6, "linux/arm/v6"))
    children, steps = look(shelf, digest, asked)
    configs = {child.platform: child.config_digest for child in children}
    assert configs == {
        "linux/arm/v5": c5 if chosen == "v5" else "",
        "linux/arm/v6": c6 if chosen == "v6" else "",
    }
    assert len(steps) == 2


def test_a_platform_that_nobody_offers_costs_nothing() -> None:
    """Nor does one that is none."""
    shelf = Shelf()
    amd, _ = shelf.image("linux/amd64")
    children, steps = look(shelf, shelf.index((amd, "linux/amd64")), "windows/amd64", "nonsense")
    assert children == (Child(platform="linux/amd64", digest=amd),)
    assert len(steps) == 1


def test_an_image_of_one_platform_names_it_in_its_configuration() -> None:
    """Its only child is itself."""
    shelf = Shelf()
    digest, config = shelf.image("linux/arm64")
    children, steps = look(shelf, digest)
    assert children == (Child(platform="linux/arm64", digest=digest, config_digest=config),)
    assert [s.url.target.split("/")[4] for s in steps if isinstance(s, Send)] == [
        "manifests",
        "blobs",
    ]


def test_an_index_inside_an_index_is_looked_into() -> None:
    """Children of children are children, each once."""
    shelf = Shelf()
    (amd, _), (arm, _) = shelf.image("linux/amd64"), shelf.image("linux/arm64")
    inner = shelf.index((arm, "linux/arm64"))
    digest = shelf.index((amd, "linux/amd64"), a=inner, b=inner)
    children, steps = look(shelf, digest)
    assert {child.digest for child in children} == {amd, arm}
    assert len(steps) == 2


def test_nesting_is_bounded() -> None:
    """A chain of indexes is followed so deep and no deeper."""
    shelf = Shelf()
    digest = shelf.index()
    for _ in range(20):
        digest = shelf.index(a=digest)
    children, steps = look(shelf, digest)
    assert children == ()
    assert len(steps) <= 4


def test_a_description_fits_into_a_message() -> None:
    """Indexes inside an index add up: one that NATS refuses would be asked for again and again."""
    shelf = Shelf()
    platforms = [f"linux/{'a' * 60}{n}" for n in range(1000)]
    inner = [
        shelf.index(*((f"sha512:{number * 1000 + n:0128x}", p) for n, p in enumerate(platforms)))
        for number in range(8)
    ]
    result, _ = look(shelf, shelf.index(**dict(zip("abcdefgh", inner, strict=True))))
    question = Describe(registry="r.example", repository="a/b", digest=inner[0], asked_at=NOW)
    message = codec.encode(described(question, result, None, NOW, "anonymous"))
    assert len(result) == MOST_CHILDREN
    assert len(message) < 1024 * 1024


def test_another_document_than_the_one_asked_for_is_not_believed() -> None:
    """Another body than the digest names is found out (GHSA-qv35-3gw6-8q4j)."""
    shelf = Shelf()
    amd, config = shelf.image("linux/amd64")
    digest = shelf.index((amd, "linux/amd64"))
    other = shelf.documents[amd]
    shelf.documents[digest] = other
    assert isinstance(look(shelf, digest)[0], Invalid)
    shelf.documents[config] = other
    assert isinstance(look(shelf, amd)[0], Invalid)


def test_a_failure_on_the_way_is_the_outcome() -> None:
    """A child that is gone, or a limit reached, is told and not passed over."""
    shelf = Shelf()
    amd, _ = shelf.image("linux/amd64")
    digest = shelf.index((amd, "linux/amd64"))
    del shelf.documents[amd]
    assert isinstance(look(shelf, digest, "linux/amd64")[0], Missing)
    assert isinstance(look(lambda _: Reply(429), digest)[0], Limited)
    assert isinstance(look(shelf, amd)[0], Missing)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Denied), (404, Unreachable), (429, Limited), (503, Unreachable)]
)
def test_a_configuration_that_is_not_given_is_told_as_what_it_is(status: int, kind: type) -> None:
    """A limit or an outage of where the blobs are is no contradiction of the registry's."""
    shelf = Shelf()
    amd, config = shelf.image("linux/amd64")

    def server(step: Send) -> Reply:
        return Reply(status) if step.url.target.endswith(config) else shelf(step)

    failed, _ = look(server, amd)
    assert (type(failed), str(status) in failed.reason) == (kind, True)

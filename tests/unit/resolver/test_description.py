"""Descriptions of digests: children by platform, and the configurations asked for."""

import json
from typing import Any

import pytest

from imagedrift_resolver.core.conversation import Send
from imagedrift_resolver.core.description import MOST_READ, Description
from imagedrift_resolver.core.finding import described
from imagedrift_resolver.core.manifest import MOST_CHILDREN, OCI_INDEX, OCI_MANIFEST
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas import codec
from imagedrift_schemas.constraints import MOST_PLATFORMS
from imagedrift_schemas.digest import digest_of
from imagedrift_schemas.v1 import (
    Child,
    Denied,
    Describe,
    Invalid,
    Limited,
    Missing,
    Unreachable,
)
from support.conversations import NOW, Steps
from support.shelf import Shelf, look, look_whole


def test_an_index_is_described_by_one_request() -> None:
    """An index with platforms is described by one request."""
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
    """The configuration of the platform that would run is read."""
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
    """A platform that the index lacks causes no request."""
    shelf = Shelf()
    amd, _ = shelf.image("linux/amd64")
    children, steps = look(shelf, shelf.index((amd, "linux/amd64")), "windows/amd64", "nonsense")
    assert children == (Child(platform="linux/amd64", digest=amd),)
    assert len(steps) == 1


def test_of_a_question_with_thousands_of_platforms_the_first_are_read() -> None:
    """A foreign question's platforms beyond those that one has room for are not looked at."""
    shelf = Shelf()
    amd, _ = shelf.image("linux/amd64")
    digest = shelf.index((amd, "linux/amd64"))
    made_up = [f"linux/a{n}" for n in range(MOST_PLATFORMS)]
    assert read(look(shelf, digest, *made_up[1:], "linux/amd64")[1]) == 2
    assert read(look(shelf, digest, *made_up, "linux/amd64")[1]) == 1


def test_an_image_of_one_platform_is_its_own_child() -> None:
    """A manifest names the configuration, and the configuration itself is never fetched."""
    shelf = Shelf()
    digest, config = shelf.image("linux/arm64")
    children, steps = look(shelf, digest)
    assert children == (Child(platform="", digest=digest, config_digest=config),)
    assert [s.url.target.split("/")[4] for s in steps if isinstance(s, Send)] == ["manifests"]


def test_an_index_inside_an_index_is_looked_into() -> None:
    """An index inside an index is read, each child once."""
    shelf = Shelf()
    (amd, _), (arm, _) = shelf.image("linux/amd64"), shelf.image("linux/arm64")
    inner = shelf.index((arm, "linux/arm64"))
    digest = shelf.index((amd, "linux/amd64"), a=inner, b=inner)
    children, steps = look(shelf, digest)
    assert {child.digest for child in children} == {amd, arm}
    assert len(steps) == 2


def test_nesting_is_bounded() -> None:
    """Nested indexes are read to a bounded depth."""
    shelf = Shelf()
    digest = shelf.index()
    for _ in range(20):
        digest = shelf.index(a=digest)
    children, steps = look(shelf, digest)
    assert [child.nested for child in children] == [True]
    assert len(steps) <= 4


def test_a_description_fits_into_a_message() -> None:
    """A description has a bounded number of children, so that it fits into a message."""
    shelf = Shelf()
    platforms = [f"linux/{'a' * 60}{n}" for n in range(1000)]
    inner = [
        shelf.index(*((f"sha512:{number * 1000 + n:0128x}", p) for n, p in enumerate(platforms)))
        for number in range(8)
    ]
    result, _ = look(shelf, shelf.index(**dict(zip("abcdefgh", inner, strict=True))))
    question = Describe(registry="r.example", repository="a/b", digest=inner[0], asked_at=NOW)
    message = codec.encode(described(question, Description(result), None, NOW, "anonymous"))
    assert len(result) == MOST_CHILDREN + 1
    assert result[-1].nested is True
    assert len(message) < 1024 * 1024


def test_another_document_than_the_one_asked_for_is_not_believed() -> None:
    """A body of another digest is refused (GHSA-qv35-3gw6-8q4j)."""
    shelf = Shelf()
    amd, _ = shelf.image("linux/amd64")
    arm, _ = shelf.image("linux/arm64")
    digest = shelf.index((amd, "linux/amd64"))
    shelf.documents[amd] = shelf.documents[arm]
    assert isinstance(look(shelf, digest, "linux/amd64")[0], Invalid)
    shelf.documents[digest] = shelf.documents[arm]
    assert isinstance(look(shelf, digest)[0], Invalid)


def test_a_failure_on_the_way_is_the_outcome() -> None:
    """A failure on the way is the outcome of the description."""
    shelf = Shelf()
    amd, _ = shelf.image("linux/amd64")
    digest = shelf.index((amd, "linux/amd64"))
    del shelf.documents[amd]
    assert isinstance(look(shelf, digest, "linux/amd64")[0], Missing)
    assert isinstance(look(lambda _: Reply(429), digest)[0], Limited)
    assert isinstance(look(shelf, amd)[0], Missing)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Denied), (404, Unreachable), (503, Unreachable)]
)
def test_a_child_that_is_not_given_costs_itself(status: int, kind: type) -> None:
    """A child that fails leaves the others in the description, with its error."""
    shelf = Shelf()
    (amd, config), (arm, _) = shelf.image("linux/amd64"), shelf.image("linux/arm64")
    digest = shelf.index((amd, "linux/amd64"), (arm, "linux/arm64"))

    def server(step: Send) -> Reply:
        return Reply(status) if step.url.target.endswith(arm) else shelf(step)

    told, _ = look_whole(server, digest, "linux/amd64", image_ids=(OTHER,))
    assert [child.config_digest for child in told.children] == [config, ""]
    assert isinstance(told.failure, kind)


OTHER = f"sha256:{'e' * 64}"


def read(steps: Steps) -> int:
    """Count the requests of a conversation."""
    return len([step for step in steps if isinstance(step, Send)])


@pytest.mark.parametrize("blank", [{}, {"os": "", "architecture": ""}, {"os": 1}, None])
def test_a_child_without_a_platform_is_a_child(blank: Any) -> None:
    """A child without a platform counts (containers/skopeo#901)."""
    shelf = Shelf()
    amd, config = shelf.image("linux/amd64")
    entry = {"digest": amd, "mediaType": OCI_MANIFEST} | ({"platform": blank} if blank else {})
    digest = shelf.put(OCI_INDEX, manifests=[entry])
    children, _ = look(shelf, digest, "linux/amd64", image_ids=(config,))
    assert children == (Child(platform="", digest=amd, config_digest=config),)


def test_every_child_of_one_platform_is_read() -> None:
    """Every child of one platform is read (moby/moby#35090)."""
    shelf = Shelf()
    new, old = shelf.image("windows/amd64"), shelf.put(OCI_MANIFEST, config={"digest": OTHER})
    digest = shelf.index((new[0], "windows/amd64"), (old, "windows/amd64"))
    children, _ = look(shelf, digest, "windows/amd64", image_ids=(OTHER,))
    assert [child.config_digest for child in children] == [new[1], OTHER]


def test_reading_stops_when_every_image_id_is_found() -> None:
    """Reading stops when every image id is found."""
    shelf = Shelf()
    images = {p: shelf.image(p) for p in ("linux/386", "linux/arm64", "linux/amd64")}
    digest = shelf.index(*((image[0], p) for p, image in images.items()))
    children, steps = look(shelf, digest, "linux/amd64", image_ids=(images["linux/amd64"][1],))
    assert [bool(child.config_digest) for child in children] == [False, False, True]
    assert read(steps) == 2


def test_an_image_is_found_under_another_platform_than_it_claims() -> None:
    """An image is found under another platform than its own (docker/for-linux#463)."""
    shelf = Shelf()
    (amd, _), (arm, config) = shelf.image("linux/amd64"), shelf.image("linux/arm64")
    digest = shelf.index((amd, "linux/amd64"), (arm, "linux/arm64"))
    children, steps = look(shelf, digest, "linux/amd64", image_ids=(config,))
    assert children[1].config_digest == config
    assert [s.spare for s in steps if isinstance(s, Send)] == [False, False, True]


def test_certainty_is_never_bought_from_the_last_half_of_a_limit() -> None:
    """An unlikely child is not read from the last half of a limit."""
    shelf = Shelf()
    (amd, config), (arm, _) = shelf.image("linux/amd64"), shelf.image("linux/arm64")
    digest = shelf.index((amd, "linux/amd64"), (arm, "linux/arm64"))

    def server(step: Send) -> Any:
        return Limited(reason="kept") if step.spare else shelf(step)

    told, _ = look_whole(server, digest, "linux/amd64", image_ids=(OTHER,))
    assert [child.config_digest for child in told.children] == [config, ""]
    assert told.failure is None


def test_what_was_read_before_is_not_read_again() -> None:
    """Children of an earlier description are not read again."""
    shelf = Shelf()
    (amd, config), (arm, _) = shelf.image("linux/amd64"), shelf.image("linux/arm64")
    digest = shelf.index((amd, "linux/amd64"), (arm, "linux/arm64"))
    first, _ = look(shelf, digest, "linux/amd64", image_ids=(config,))
    second, steps = look(shelf, digest, image_ids=(OTHER,), known=first)
    assert [bool(child.config_digest) for child in second] == [True, True]
    assert read(steps) == 2


def test_a_child_that_is_no_image_is_left_out() -> None:
    """An artifact of another kind in an index is left out."""
    shelf = Shelf()
    amd, config = shelf.image("linux/amd64")
    chart = shelf.put(OCI_MANIFEST, artifactType="x/y", blobs=[])
    digest = shelf.index((amd, "linux/amd64"), (chart, "linux/arm64"))
    children, _ = look(shelf, digest, "linux/amd64", image_ids=(OTHER,))
    assert children == (Child(platform="linux/amd64", digest=amd, config_digest=config),)


@pytest.mark.parametrize(
    ("status", "kind", "is_its_own"),
    [
        (406, "application/json", False),
        (415, "application/json", False),
        (200, "text/html", False),
        (200, "text/html", True),
        (200, OCI_INDEX, True),
        (200, "application/vnd.docker.distribution.manifest.v1+json", True),
    ],
)
def test_no_registry_makes_a_child_no_image_by_its_word(
    status: int, kind: str, is_its_own: bool
) -> None:
    """A child stays in the description of its digest, whatever a registry says in its place."""
    shelf = Shelf()
    config = {"digest": OTHER, "size": 1}
    body = json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode()
    amd = str(digest_of(body))
    digest = shelf.index((amd, "linux/amd64"))
    told = Reply(status, {"content-type": (kind,)}, body if is_its_own else b"<html>")

    def server(step: Send) -> Reply:
        return told if step.url.target.endswith(amd) else shelf(step)

    description, _ = look_whole(server, digest, "linux/amd64", image_ids=(OTHER,))
    assert [child.digest for child in description.children] == [amd]
    assert description.failure is not None


def test_reading_is_bounded() -> None:
    """An index of hundreds of manifests costs a bounded number of requests."""
    shelf = Shelf()
    platforms = [f"linux/a{n}" for n in range(MOST_READ + 20)]
    digest = shelf.index(*((shelf.image(p)[0], p) for p in platforms))
    children, steps = look(shelf, digest, image_ids=(OTHER,))
    assert len(children) == len(platforms)
    assert read(steps) == MOST_READ + 1

"""Facts of one image's record: names, repositories, labels, services."""

import msgspec
import pytest
from msgspec import UNSET

from imagedrift_agent.core import image_facts
from imagedrift_agent.core.records import ImageConfig
from imagedrift_schemas import codec
from support.engine_records import D1, D2, ID, OTHER, container, image, images_of


def test_digests_of_another_repository_do_not_count() -> None:
    """A second name of a pulled image is local: its own registry knows nothing of it."""
    pulled = image(ID, "nginx:1", "mine/nginx:1", digests=(f"nginx@{D1}",))

    hub, mine = images_of([pulled], [])

    assert (hub.reference, hub.repo_digests) == ("docker.io/library/nginx:1", (D1,))
    assert (mine.reference, mine.repo_digests) == ("docker.io/mine/nginx:1", ())


def test_every_name_of_docker_hub_is_one() -> None:
    """A digest under one spelling of Docker Hub counts for a tag under another."""
    [found] = images_of(
        [image(ID, "docker.io/nginx:1", digests=(f"index.docker.io/nginx@{D1}",))], []
    )

    assert found.repo_digests == (D1,)


def test_two_digests_of_one_repository_are_a_sorted_set() -> None:
    """An index that moved without a change for this platform leaves both of its digests."""
    digests = (f"nginx@{D2}", f"nginx@{D1}", f"nginx@{D2}")

    [found] = images_of([image(ID, "nginx:1", digests=digests)], [])

    assert found.repo_digests == (D1, D2)


def test_services_are_named_by_their_labels() -> None:
    """Compose says project and service, Swarm the service; the same one is said once."""
    compose = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    swarm = {"com.docker.swarm.service.name": "shop_api"}
    containers = [
        container("nginx:1", name="a", labels=compose),
        container("nginx:1", name="b", labels=compose),
        container("nginx:1", name="c", labels=swarm),
    ]

    [found] = images_of([image(ID, "nginx:1")], containers)

    assert found.services == ("shop/web", "shop_api")


def test_an_images_labels_tell_its_version_and_base() -> None:
    """Labels stand in the image's record already: no call is made for them."""
    labels = {
        "org.opencontainers.image.version": "1.27.3",
        "org.opencontainers.image.base.name": "docker.io/library/debian:12",
        "org.opencontainers.image.base.digest": D1,
        "maintainer": "somebody",
    }

    [found] = images_of([image(ID, "nginx:1", config=ImageConfig(labels))], [])

    assert (found.version, found.base_name) == ("1.27.3", "docker.io/library/debian:12")
    assert (found.base_digest, found.revision, found.source) == (D1, UNSET, UNSET)


def test_an_image_without_such_labels_has_the_hash_that_it_had() -> None:
    """An agent of before wrote no such field, and its hosts are not stored anew."""
    [found] = images_of([image(ID, "nginx:1", config=ImageConfig({"a": "b"}))], [])

    written = codec.encode(found)

    assert not {"version", "revision", "source", "base_name", "base_digest"} & set(
        msgspec.json.decode(written)
    )


def test_labels_of_containers_say_when_their_image_is_updated() -> None:
    """Labels stand in the list of containers already; without one the field is not written."""
    labels = {"imagedrift.wait": "3d", "com.example": "x"}
    images = [image(ID, "nginx:1"), image(OTHER, "redis:7")]
    containers = [container("nginx:1", labels=labels), container("redis:7", OTHER, labels={})]

    found, without = images_of(images, containers)

    assert found.policy == {"wait": "3d"}
    assert without.policy is UNSET
    assert b"policy" not in codec.encode(without)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\x00\x01", ""])
def test_a_label_that_cannot_be_told_costs_itself(text: str) -> None:
    """The image is listed, and its other labels are told."""
    labels = {"org.opencontainers.image.version": text, "org.opencontainers.image.revision": "d21b"}

    [found] = images_of([image(ID, "nginx:1", config=ImageConfig(labels))], [])

    assert (found.version, found.revision) == (UNSET, "d21b")


def test_labels_that_are_not_read_are_not_kept() -> None:
    """An image may have any number of labels, of any size: the agent keeps those that it reads."""
    labels = {f"label-{n}": "x" * 1000 for n in range(1000)} | {
        "org.opencontainers.image.version": "1.27.3",
        "org.opencontainers.image.source": "x" * 1_000_000,
        "imagedrift.ignore": "true",
    }

    kept = image_facts.with_few_labels(image(ID, "nginx:1", config=ImageConfig(labels)))

    assert image_facts.labels_of(kept) == {
        "org.opencontainers.image.version": "1.27.3",
        "imagedrift.ignore": "true",
    }


def test_podmans_localhost_is_no_registry() -> None:
    """An image that Podman built is local, although Podman makes up a digest for it."""
    [found] = images_of([image(ID, "localhost/app:1", digests=(f"localhost/app@{D1}",))], [])

    assert found.repo_digests == ()

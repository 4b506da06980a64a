"""No digest has two meanings: the image never had one, or the engine has forgotten it."""

from typing import Any

import pytest
from msgspec import UNSET

from imagedrift_agent.core.inventory import list_images
from imagedrift_agent.core.records import (
    Container,
    Descriptor,
    EngineImage,
    Identity,
    PulledFrom,
)
from imagedrift_agent.core.traits import EngineTraits
from imagedrift_schemas.v1 import LocalImage

ID, OTHER, THIRD = (f"sha256:{digit * 64}" for digit in "123")
D1, D2 = (f"sha256:{digit * 64}" for digit in "ab")
APP = "registry.example.org/app:1"
REPOSITORY = "registry.example.org/app"

CLASSIC = EngineTraits(os="linux", architecture="amd64")
CONTAINERD = EngineTraits(store="containerd", os="linux", architecture="amd64")
TELLING = EngineTraits(store="containerd", tells_origins=True, os="linux", architecture="amd64")
PODMAN = EngineTraits(store="podman", os="linux", architecture="amd64")


def image(own_id: str, *tags: str, digests: tuple[str, ...] = (), **more: Any) -> EngineImage:
    """One image of the engine."""
    return EngineImage(id=own_id, repo_tags=list(tags), repo_digests=list(digests), **more)


def container(reference: str, identity: str = ID) -> Container:
    """One running container of the engine."""
    return Container(id="c" * 64, image=reference, image_id=identity, state="running")


def images_found(
    images: list[EngineImage], containers: list[Container], engine: EngineTraits
) -> dict[tuple[str, str], LocalImage]:
    """The images of the image_list, by reference and id."""
    image_list = list_images(images, containers, engine)
    return {(each.reference, each.image_id): each for each in image_list.images}


def is_local(listed: LocalImage) -> bool:
    """Tell whether an image is known to be none of a registry's."""
    return not listed.repo_digests and listed.digest_lost is UNSET


def is_lost(listed: LocalImage) -> bool:
    """Tell whether an image may be a registry's, under a digest that nobody knows."""
    return not listed.repo_digests and listed.digest_lost is True


@pytest.mark.parametrize(
    "lost",
    [image(ID), image(ID, "registry.example.org/test:1"), image(ID, "registry.example.org/app:2")],
    ids=["rmi -f", "tagged anew, then untagged", "another tag of the repository"],
)
def test_a_running_image_whose_tag_was_removed_is_lost(lost: EngineImage) -> None:
    """`rmi -f` takes tag and digest of a running image (liquidguru/docker-updater#23)."""
    assert is_lost(images_found([lost], [container(APP)], CLASSIC)[APP, ID])


def test_an_image_whose_tag_was_pulled_anew_is_lost() -> None:
    """The tag is known to the registry now, so the image that had it may be from there."""
    images = [image(ID), image(OTHER, APP, digests=(f"{REPOSITORY}@{D1}",))]

    listed = images_found(images, [container(APP)], CLASSIC)

    assert is_lost(listed[APP, ID])
    assert listed[APP, OTHER].repo_digests == (D1,)


def test_an_image_that_was_built_and_rebuilt_here_stays_local() -> None:
    """The image that has the tag now is a local one: the one before was, too."""
    listed = images_found([image(ID), image(OTHER, APP)], [container(APP)], CLASSIC)

    assert is_local(listed[APP, ID])
    assert is_local(listed[APP, OTHER])


def test_a_tagged_image_of_the_classic_store_without_a_digest_is_local() -> None:
    """An image without a digest was made or loaded here: the classic store keeps those of pulls."""
    older = image(OTHER, "registry.example.org/app:0", digests=(f"{REPOSITORY}@{D1}",))

    assert is_local(images_found([image(ID, APP), older], [], CLASSIC)[APP, ID])


def test_what_was_built_over_a_pulled_tag_is_local() -> None:
    """The pulled image is of the same platform and keeps its digest: the new one never had one."""
    pulled = image(OTHER, digests=(f"{REPOSITORY}@{D1}",))

    assert is_local(images_found([image(ID, APP), pulled], [], CLASSIC)[APP, ID])


def test_a_second_platform_under_one_tag_is_lost() -> None:
    """The classic store leaves the digest of an index with the first platform (moby#18873)."""
    first = image(OTHER, digests=(f"{REPOSITORY}@{D1}",), architecture="amd64")
    second = image(ID, APP, architecture="arm64", variant="v8")

    assert is_lost(images_found([first, second], [], CLASSIC)[APP, ID])


def test_a_second_platform_is_lost_where_the_first_has_a_tag_of_its_own() -> None:
    """A container that was made from the tag says that the first platform had it."""
    first = image(OTHER, f"{REPOSITORY}:old", digests=(f"{REPOSITORY}@{D1}",), architecture="amd64")
    second = image(ID, APP, architecture="arm64")

    assert is_lost(images_found([first, second], [container(APP, OTHER)], CLASSIC)[APP, ID])


def test_another_tag_for_another_platform_makes_no_build_lost() -> None:
    """Two tags of one repository have nothing to do with each other."""
    pulled = image(OTHER, f"{REPOSITORY}:arm", digests=(f"{REPOSITORY}@{D1}",), architecture="arm")

    assert is_local(
        images_found([image(ID, APP, architecture="amd64"), pulled], [], CLASSIC)[APP, ID]
    )


def test_an_untagged_image_of_podman_is_lost_and_keeps_its_own_digest() -> None:
    """After `podman untag` the digest of the list is all that says what it is."""
    listed = images_found([image(ID, digest=D1)], [container(APP)], PODMAN)[APP, ID]

    assert is_lost(listed)
    assert listed.manifest_digest == D1


@pytest.mark.parametrize("engine", [PODMAN, CONTAINERD], ids=["podman", "containerd"])
def test_a_moved_tag_of_a_store_that_forgets_is_known_by_its_own_digest(
    engine: EngineTraits,
) -> None:
    """The image that has the tag now is known to the registry, so the one before was, too."""
    images = [image(ID, digest=D1), image(OTHER, APP, digests=(f"{REPOSITORY}@{D2}",))]

    assert images_found(images, [container(APP)], engine)[APP, ID].repo_digests == (D1,)


@pytest.mark.parametrize(
    ("media_type", "manifest"),
    [
        ("application/vnd.oci.image.manifest.v1+json", ID),
        ("application/vnd.docker.distribution.manifest.v2+json", ID),
        ("application/vnd.oci.image.index.v1+json", ""),
        ("application/vnd.docker.distribution.manifest.list.v2+json", ""),
        ("", ""),
    ],
)
def test_the_digest_of_an_index_is_never_a_manifests(media_type: str, manifest: str) -> None:
    """A lost image of the containerd store is told by its id where that is a manifest's."""
    lost = image(ID, digest=ID, descriptor=Descriptor(media_type=media_type, digest=ID))

    listed = images_found([lost], [container(APP)], CONTAINERD)[APP, ID]

    assert is_lost(listed)
    assert listed.manifest_digest == manifest


@pytest.mark.parametrize(
    "identity",
    [
        None,
        Identity(),
        Identity(pull=[]),
        Identity(build=[{"Ref": "x"}]),
        Identity(pull=[PulledFrom("docker.io/library/nginx")]),
        Identity(pull=[PulledFrom("registry.example.org/other")], build=[{"Ref": "x"}]),
        Identity(pull=[PulledFrom("")]),
    ],
    ids=["none", "empty", "no pull", "built", "pulled as another", "both, as another", "blank"],
)
def test_silence_of_an_engine_that_tells_origins_means_local(identity: Identity | None) -> None:
    """From API 1.53 on the containerd store says what was pulled (moby/moby PR 51737)."""
    own = image(ID, APP, digests=(f"{REPOSITORY}@{ID}",), identity=identity, digest=ID)

    assert is_local(images_found([own], [container(APP)], TELLING)[APP, ID])


@pytest.mark.parametrize("build", [None, [{"Ref": "x"}]], ids=["pulled", "built and pushed"])
def test_what_came_from_the_repository_is_known(build: list[dict[str, object]] | None) -> None:
    """In any spelling of it, and with its tag or without."""
    identity = Identity(pull=[PulledFrom("registry.example.org/app")], build=build)
    tagged = image(ID, APP, digests=(f"{REPOSITORY}@{ID}",), identity=identity, digest=ID)
    moved = image(OTHER, identity=identity, digest=OTHER)

    listed = images_found([tagged, moved], [container(APP, OTHER)], TELLING)

    assert listed[APP, ID].repo_digests == (ID,)
    assert listed[APP, OTHER].repo_digests == (OTHER,)


def test_an_engine_that_cannot_tell_origins_is_taken_at_its_word() -> None:
    """Older containerd stores give a local build a digest, and nothing says that it is one."""
    own = image(ID, APP, digests=(f"{REPOSITORY}@{ID}",), digest=ID)

    assert images_found([own], [], CONTAINERD)[APP, ID].repo_digests == (ID,)


def test_details_that_were_refused_are_no_silence() -> None:
    """Of an image that only the list describes its origin was never asked."""
    listed = image(ID, APP, digests=(f"{REPOSITORY}@{ID}",), digest=ID, is_detailed=False)

    assert images_found([listed], [], TELLING)[APP, ID].repo_digests == (ID,)


def test_a_container_made_from_a_short_name_is_not_made_from_an_id() -> None:
    """Podman's image `ada` may have an id that begins with `ada`: an engine reads names first."""
    ada = f"sha256:ada{'0' * 61}"
    listed = images_found(
        [image(ada, "docker.io/library/ada:latest")], [container("ada", ada)], PODMAN
    )

    assert listed["docker.io/library/ada:latest", ada].running == 1


def test_a_name_that_another_image_has_now_is_still_a_name() -> None:
    """The tag moved on: the container runs what it pointed to before."""
    ada = f"sha256:ada{'0' * 61}"
    images = [image(ada), image(OTHER, "docker.io/library/ada:latest")]

    image_list = list_images(images, [container("ada", ada)], CLASSIC)

    assert image_list.skipped == {}
    assert [i.running for i in image_list.images if i.image_id == ada] == [1]


@pytest.mark.parametrize("made_from", ["ada0", "ada000000000", "ada" + "0" * 61])
def test_an_id_that_nothing_is_called_is_an_id(made_from: str) -> None:
    """Whole or cut short, there is no name to follow."""
    ada = f"sha256:ada{'0' * 61}"

    image_list = list_images([image(ada, APP)], [container(made_from, ada)], CLASSIC)

    assert image_list.skipped == {"container_by_id": 1}


def test_a_container_made_from_a_folder_has_no_image() -> None:
    """Podman says `sha256:` and no more of what runs from `--rootfs`."""
    image_list = list_images([], [container("", "sha256:"), container("", "")], PODMAN)

    assert (image_list.images, image_list.skipped) == ((), {})


@pytest.mark.parametrize("origin", [None, Identity(), Identity(build=[{}])])
def test_a_digest_in_a_reference_does_not_make_a_local_image_known(origin: Identity | None) -> None:
    """A container made from `tag@digest` of a build gives no registry cause to be asked."""
    built = image(ID, APP, digests=(f"{REPOSITORY}@{ID}",), identity=origin)

    listed = images_found([built], [container(f"{APP}@{ID}")], TELLING)

    assert is_local(listed[APP, ID])


def test_a_digest_in_a_reference_of_a_name_without_registry_is_local() -> None:
    """Podman calls what it built `localhost/…`, by digest as well."""
    built = image(ID, "localhost/app:1", digests=(f"localhost/app@{D1}",), digest=D1)

    listed = images_found([built], [container(f"localhost/app:1@{D1}")], PODMAN)

    assert is_local(listed["localhost/app:1", ID])

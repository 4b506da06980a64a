"""On a store with several platforms per image, what runs is one manifest of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from imagedrift_agent.core.inventory import list_images
from imagedrift_agent.core.records import (
    Container,
    Descriptor,
    EngineImage,
    EngineManifest,
    EnginePlatform,
    EngineVersion,
    ImageData,
    Info,
)
from imagedrift_agent.core.traits import EngineTraits, traits_of
from imagedrift_schemas.v1 import LocalImage

INDEX, AMD, ARM, TWIN, S390 = (f"sha256:{digit * 64}" for digit in "12345")
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
APP = "registry.example.org/app:1"
ENGINE = EngineTraits(store="containerd", os="linux", architecture="amd64")


def manifest(digest: str, platform: str, *, here: bool = True, **more: Any) -> EngineManifest:
    """One manifest of an image."""
    os, architecture, *variant = platform.split("/")
    engine_platform = EnginePlatform(os, architecture, *variant)
    fields = {"kind": "image", "image_data": ImageData(platform=engine_platform), **more}
    descriptor = Descriptor(media_type=OCI_MANIFEST, digest=digest, platform=engine_platform)
    return EngineManifest(descriptor=descriptor, available=here, **fields)


def image(*manifests: EngineManifest, **more: Any) -> EngineImage:
    """An image of the containerd store."""
    return EngineImage(
        id=INDEX,
        repo_tags=[APP],
        repo_digests=[f"registry.example.org/app@{INDEX}"],
        descriptor=Descriptor(media_type=OCI_INDEX, digest=INDEX),
        manifests=list(manifests),
        **more,
    )


def container(name: str, runs: Descriptor | None) -> Container:
    """One running container of it."""
    return Container(
        id=name * 9,
        names=[f"/{name}"],
        image=APP,
        image_id=INDEX,
        state="running",
        image_manifest_descriptor=runs,
    )


def runs(digest: str, platform: str = "", media_type: str = OCI_MANIFEST) -> Descriptor:
    """The manifest that a container's record says it runs."""
    engine_platform = EnginePlatform(*platform.split("/")) if platform else None
    return Descriptor(media_type=media_type, digest=digest, platform=engine_platform)


def listed(
    of: EngineImage, *containers: Container, engine: EngineTraits = ENGINE
) -> list[tuple[str, str, tuple[str, ...]]]:
    """The manifest, platform and containers of each image of the image_list."""
    images: tuple[LocalImage, ...] = list_images([of], containers, engine).images
    return [(each.manifest_digest, each.platform, each.containers) for each in images]


BOTH = (manifest(AMD, "linux/amd64"), manifest(ARM, "linux/arm64/v8"))


def test_a_container_runs_the_manifest_that_it_names() -> None:
    """The host's own platform does not matter (docker/compose#12854)."""
    foreign = container("far", runs(ARM, "linux/arm64"))

    assert listed(image(*BOTH), foreign) == [(ARM, "linux/arm64", ("far",))]


def test_two_platforms_of_one_image_are_two_entries() -> None:
    """Each with the containers that were made from it (docker/cli#4189)."""
    made = [container("far", runs(ARM)), container("near", runs(AMD)), container("b", runs(ARM))]

    assert listed(image(*BOTH), *made) == [
        (AMD, "linux/amd64", ("near",)),
        (ARM, "linux/arm64", ("b", "far")),
    ]


def test_a_container_whose_manifest_left_the_index_keeps_its_own() -> None:
    """A container's record says the platform, too."""
    gone = container("old", runs(TWIN, "linux/s390x"))

    assert listed(image(*BOTH), gone) == [(TWIN, "linux/s390x", ("old",))]


def test_the_only_manifest_that_is_here_is_the_one_that_would_run() -> None:
    """Engine 29 leaves the platform of such an image blank (docker/compose#14007)."""
    foreign = image(
        manifest(AMD, "linux/amd64", here=False), manifest(ARM, "linux/arm64"), architecture=""
    )

    assert listed(foreign) == [(ARM, "linux/arm64", ())]


def test_of_several_the_engines_own_would_run() -> None:
    """The name that the record was read for does not matter."""
    assert listed(image(*BOTH, os="linux", architecture="arm64")) == [(AMD, "linux/amd64", ())]


@pytest.mark.parametrize(
    ("offered", "engine"),
    [
        ((AMD, TWIN), ENGINE),
        ((AMD, TWIN, ARM), ENGINE),
        ((ARM, S390), ENGINE),
    ],
    ids=["twins", "twins and another", "none of the engine's"],
)
def test_where_several_would_do_none_is_guessed(
    offered: tuple[str, ...], engine: EngineTraits
) -> None:
    """The digest of a manifest that may not be the one would be taken for an identity."""
    platforms = {AMD: "linux/amd64", TWIN: "linux/amd64", ARM: "linux/arm64", S390: "linux/s390x"}
    here = [manifest(digest, platforms[digest]) for digest in offered]

    [(found, _, _)] = listed(image(*here), engine=engine)

    assert found == ""


def test_a_container_that_does_not_say_is_not_guessed_about() -> None:
    """Of two platforms that are here either may run: the container was made by an older engine."""
    assert listed(image(*BOTH), container("old", None)) == [("", "linux/amd64", ("old",))]


def test_a_manifest_may_name_its_containers() -> None:
    """The list of API 1.47 says it where a container's record does not."""
    far = container("far", None)
    named = manifest(
        ARM,
        "linux/arm64",
        image_data=ImageData(EnginePlatform("linux", "arm64"), containers=[far.id]),
    )

    assert listed(image(BOTH[0], named), far) == [(ARM, "linux/arm64", ("far",))]


@pytest.mark.parametrize(
    "descriptor",
    [
        runs(INDEX, media_type=OCI_INDEX),
        runs(INDEX, media_type="application/vnd.docker.distribution.manifest.list.v2+json"),
        runs(INDEX, media_type=""),
        runs("sha256:short"),
        runs(""),
    ],
    ids=["an index", "a list", "the image itself", "no digest", "nothing"],
)
def test_what_is_no_manifests_digest_is_not_sent(descriptor: Descriptor) -> None:
    """Neither an index's digest nor nonsense becomes the identity of what runs."""
    [(found, _, _)] = listed(image(*BOTH), container("odd", descriptor))

    assert found == ""


def test_attestations_and_what_is_not_here_do_not_run() -> None:
    """Attestations are manifests of the index, too."""
    others = [
        manifest(TWIN, "linux/amd64", here=False),
        manifest(INDEX, "unknown/unknown", kind="attestation"),
    ]

    assert listed(image(BOTH[0], *others)) == [(AMD, "linux/amd64", ())]


def test_the_index_goes_before_a_configuration_that_is_wrong() -> None:
    """arm64 images whose configuration says amd64 are common (docker/for-linux#1170)."""
    wrong = manifest(ARM, "linux/arm64", image_data=ImageData(EnginePlatform("linux", "amd64")))

    assert listed(image(wrong, architecture="amd64")) == [(ARM, "linux/arm64", ())]


@pytest.mark.parametrize(
    ("kernel", "fields", "platform"),
    [
        ("armv6l", {"architecture": "arm"}, "linux/arm/v6"),
        ("armv7l", {"architecture": "arm"}, "linux/arm/v7"),
        ("armv6l", {"architecture": "arm", "variant": "v5"}, "linux/arm/v5"),
        ("armv6l", {}, "linux/arm/v6"),
        ("armv6l", {"architecture": "amd64"}, "linux/amd64"),
    ],
)
def test_what_an_image_leaves_out_is_the_engines(
    kernel: str, fields: dict[str, Any], platform: str
) -> None:
    """arm/v6 images whose configuration has no variant run on such machines (diun#242)."""
    version = EngineVersion(os="linux", arch="arm", api_version="1.41")
    engine = traits_of(version, Info(architecture=kernel), [])
    classic = EngineImage(id=INDEX, repo_tags=[APP], **fields)

    [found] = list_images([classic], [], engine).images

    assert found.platform == platform


def test_the_platform_of_the_engine_stands_in_for_none() -> None:
    """An image without a platform was made for the engine that has it."""
    engine = EngineTraits(os="windows", architecture="amd64")

    [found] = list_images([EngineImage(id=INDEX, repo_tags=[APP])], [], engine).images

    assert found.platform == "windows/amd64"


DIGESTS = st.sampled_from([INDEX, AMD, ARM, TWIN, "sha256:1", ""])
PLATFORMS = st.sampled_from(["linux/amd64", "linux/arm64", "/", "unknown/unknown", "linux/arm/v6"])
DESCRIPTORS = st.builds(runs, DIGESTS, PLATFORMS, st.sampled_from([OCI_MANIFEST, OCI_INDEX, ""]))
MANIFESTS = st.lists(
    st.builds(manifest, st.sampled_from([AMD, ARM, TWIN]), PLATFORMS, here=st.booleans()),
    max_size=4,
    unique_by=lambda each: each.descriptor.digest,
)


@given(MANIFESTS, st.lists(st.none() | DESCRIPTORS, max_size=5), st.randoms())
def test_whatever_runs_is_listed_once_and_in_one_order(
    here: list[EngineManifest], made: list[Descriptor | None], shuffle: Any
) -> None:
    """Each container is in one entry, each manifest has one, and no order of answers matters."""
    containers = [container(f"c{number}", descriptor) for number, descriptor in enumerate(made)]
    before = listed(image(*here), *containers)
    shuffle.shuffle(containers)

    after = listed(image(*here), *containers)

    assert after == before
    names = [name for _, _, of in before for name in of]
    assert sorted(names) == sorted(f"c{number}" for number in range(len(made)))
    digests = [digest for digest, _, _ in before]
    assert len(digests) == len(set(digests))
    assert set(digests) <= {"", AMD, ARM, TWIN}


def test_an_attestation_is_never_what_runs() -> None:
    """Neither where a container names it, nor where the engine counts it among the images."""
    attestation = manifest(TWIN, "unknown/unknown")
    held = image(manifest(AMD, "linux/amd64"), attestation)

    image_list = list_images([held], [container("a", runs(TWIN)), container("b", None)], ENGINE)

    assert [(each.manifest_digest, each.containers) for each in image_list.images] == [
        (AMD, ("a", "b"))
    ]


def test_the_index_is_no_manifest_where_nothing_says_that_it_is_one() -> None:
    """An engine that tells manifests, and no descriptor of the image, names the index by its id."""
    held = replace(image(*BOTH), descriptor=None)

    image_list = list_images([held], [container("a", runs(INDEX, media_type=""))], ENGINE)

    assert [each.manifest_digest for each in image_list.images] == [""]

"""The traits of an engine: its store, its platform, and whether it tells origins."""

import pytest

from imagedrift_agent.core.records import (
    Component,
    Descriptor,
    EngineImage,
    EngineVersion,
    Info,
)
from imagedrift_agent.core.traits import is_podman, traits_of

INDEX, AMD = (f"sha256:{digit * 64}" for digit in "12")
DESCRIBED = EngineImage(id=INDEX, descriptor=Descriptor(digest=INDEX))


@pytest.mark.parametrize(
    ("api", "info", "images", "store", "tells"),
    [
        ("1.53", Info(driver_status=[["driver-type", "io.containerd.snapshotter.v1"]]), [], 1, 1),
        ("1.52", Info(driver_status=[["driver-type", "io.containerd.snapshotter.v1"]]), [], 1, 0),
        ("1.53", Info(driver_status=[["Backing Filesystem", "extfs"]]), [DESCRIBED], 0, 0),
        ("1.53", None, [DESCRIBED], 1, 1),
        ("1.44", None, [EngineImage(id=INDEX, repo_digests=[f"app@{INDEX}"])], 1, 0),
        ("1.44", None, [EngineImage(id=INDEX, repo_digests=[f"app@{AMD}"])], 0, 0),
        ("1.53", None, [], 0, 0),
    ],
)
def test_the_store_is_known_with_and_without_the_engines_word(
    api: str, info: Info | None, images: list[EngineImage], store: bool, tells: bool
) -> None:
    """Where `/info` is denied, an image that is named by its digest shows the store."""
    found = traits_of(EngineVersion(api_version=api, os="linux", arch="amd64"), info, images)

    assert found.store == ("containerd" if store else "classic")
    assert found.tells_origins is bool(tells)


@pytest.mark.parametrize(
    ("arch", "kernel", "variant"),
    [
        ("arm", "armv6l", "v6"),
        ("arm", "armv7l", "v7"),
        ("arm64", "aarch64", ""),
        ("amd64", "x86_64", ""),
        ("", "armv7l", "v7"),
    ],
)
def test_the_kernel_tells_the_variant_of_a_32_bit_arm_machine(
    arch: str, kernel: str, variant: str
) -> None:
    """`/version` says `arm` alone; other machines have no variant."""
    found = traits_of(EngineVersion(arch=arch), Info(architecture=kernel), [])

    assert (found.architecture, found.variant) == (arch or kernel, variant)


def test_podman_is_told_from_docker_by_a_component() -> None:
    """Podman's store forgets digests, whatever else it says of itself."""
    podman = EngineVersion(components=[Component(name="Podman Engine")])

    assert is_podman(podman)
    assert not is_podman(EngineVersion(components=[Component(name="Engine")]))
    assert traits_of(podman, Info(), [DESCRIBED]).store == "podman"
    assert traits_of(podman, None, []).forgets

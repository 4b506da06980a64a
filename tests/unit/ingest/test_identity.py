"""Identity before platform: an image that is a child of the tag's index is current."""

import pytest

from imagedrift_ingest.core.verdict import LocalSide, RemoteSide, judge
from imagedrift_schemas.v1 import Child
from support.ingest import digest

OLD, NEW = digest("old index"), digest("new index")
M1, C1 = digest("manifest 1"), digest("config 1")
M2, C2 = digest("manifest 2"), digest("config 2")


def verdict_of(local: LocalSide, *inside: Child, found: str = NEW) -> str:
    """The verdict and reason as one word."""
    judged = judge(local, RemoteSide(digest=found), inside)
    return f"{judged.verdict}/{judged.reason}"


def classic(image_id: str, platform: str = "linux/amd64") -> LocalSide:
    """An image of a store that names images by their configuration."""
    return LocalSide(image_id=image_id, repo_digests=(OLD,), platform=platform)


def containerd(manifest: str, platform: str = "linux/amd64") -> LocalSide:
    """An image of a store that names images by what their tag points to."""
    return LocalSide(image_id=OLD, repo_digests=(OLD,), platform=platform, manifest_digest=manifest)


def child(platform: str, manifest: str, config: str = "") -> Child:
    """A child of the tag's index."""
    return Child(platform=platform, digest=manifest, config_digest=config)


@pytest.mark.parametrize("platform", ["", "linux/amd64", "linux/arm64", "unknown/unknown", "?"])
@pytest.mark.parametrize("local", [classic(C1), containerd(M1), classic(C1, "windows/amd64")])
def test_an_image_that_is_a_child_is_current_whatever_its_platform(
    platform: str, local: LocalSide
) -> None:
    """A child of the index is current without its platform (containers/skopeo#901)."""
    assert verdict_of(local, child(platform, M1, C1)) == "current/platform_match"


@pytest.mark.parametrize("first", [0, 1])
def test_each_of_several_children_of_one_platform_is_looked_at(first: int) -> None:
    """Every child of one platform is compared (google/go-containerregistry#1173)."""
    twins = [child("windows/amd64", M2, C2), child("windows/amd64", M1, C1)]
    ordered = twins if first else twins[::-1]
    assert verdict_of(classic(C1, "windows/amd64"), *ordered) == "current/platform_match"
    assert verdict_of(containerd(M1, "windows/amd64"), *ordered) == "current/platform_match"
    assert (
        verdict_of(classic(digest("x"), "windows/amd64"), *ordered) == "outdated/platform_differs"
    )


def test_a_compressed_twin_of_one_configuration_is_current_on_either_store() -> None:
    """Two manifests of one configuration are the same image (containers/image#1789)."""
    twins = (child("linux/amd64", M1, C1), child("linux/amd64", M2, C1))
    assert verdict_of(containerd(M2), *twins) == "current/platform_match"
    assert verdict_of(classic(C1), *twins) == "current/platform_match"


def test_an_image_whose_configuration_names_no_variant_is_found() -> None:
    """An image without a variant is found as a child (crazy-max/diun#242)."""
    index = (child("linux/arm/v7", M2, C2), child("linux/arm/v6", M1, C1))
    assert verdict_of(classic(C1, "linux/arm/v7"), *index) == "current/platform_match"


def test_nothing_is_confirmed_while_a_child_is_unread() -> None:
    """A platform's difference is not confirmed while a child is unread."""
    index = (child("linux/amd64", M2, C2), child("linux/arm64", M1))
    assert verdict_of(classic(digest("x")), *index) == "outdated/digest_differs"
    assert verdict_of(containerd(digest("x")), *index) == "outdated/platform_differs"


def test_nothing_is_confirmed_by_an_index_that_was_not_looked_into() -> None:
    """An index inside the index that was not read confirms no difference."""
    nested = Child(platform="", digest=M1, nested=True)
    index = (child("linux/amd64", M2, C2), nested)
    assert verdict_of(classic(digest("x")), *index) == "outdated/digest_differs"
    assert verdict_of(containerd(digest("x")), *index) == "outdated/digest_differs"


def test_an_engine_that_names_an_image_by_its_index_cannot_be_told_apart() -> None:
    """An index's digest is not compared with children (Finsys/dockhand#1367)."""
    bare = LocalSide(image_id=OLD, repo_digests=(OLD,))
    assert verdict_of(bare, child("linux/amd64", M2, C2)) == "outdated/digest_differs"


def test_a_tag_without_an_image_for_the_platform_confirms_nothing() -> None:
    """A tag without an image for the platform confirms no difference."""
    assert (
        verdict_of(classic(digest("x")), child("linux/arm64", M2, C2)) == "outdated/digest_differs"
    )
    assert verdict_of(classic(digest("x"), "nonsense"), child("linux/arm64", M2, C2)) == (
        "outdated/platform_differs"
    )


LOST = LocalSide(image_id=C1, digest_lost=True)


def test_an_image_whose_digest_is_lost_is_never_outdated() -> None:
    """An image with a lost digest is never outdated (moby/moby#18873)."""
    assert verdict_of(LOST, child("linux/amd64", M2, C2)) == "unknown/digest_lost"
    assert verdict_of(LOST) == "unknown/digest_lost"
    for known in (
        None,
        RemoteSide(),
        RemoteSide(gone=True),
        RemoteSide(failure="denied", error="why"),
    ):
        judged = judge(LOST, known)
        assert (judged.verdict, judged.reason, judged.stale) == ("unknown", "digest_lost", False)
        assert "recreate" in judged.error


def test_an_image_whose_digest_is_lost_can_be_found_to_be_the_tags_image() -> None:
    """An image with a lost digest is current by its image id or manifest digest."""
    by_manifest = LocalSide(image_id=digest("x"), manifest_digest=M1, digest_lost=True)
    assert verdict_of(LOST, child("linux/amd64", M1, C1)) == "current/platform_match"
    assert verdict_of(by_manifest, child("linux/amd64", M1)) == "current/platform_match"
    assert verdict_of(by_manifest, found=M1) == "current/digest_match"
    assert verdict_of(LocalSide(image_id=NEW, digest_lost=True)) == "current/digest_match"


def test_a_build_that_was_pushed_is_found_by_its_configuration() -> None:
    """A pushed build is current by its configuration (containers/podman#15780)."""
    built = LocalSide(image_id=C1, repo_digests=(digest("of the local store"),))
    assert verdict_of(built, child("", NEW, C1)) == "current/platform_match"


def test_either_of_two_digests_of_an_image_finds_it() -> None:
    """Each of Podman's two digests finds the image (containers/podman#3761)."""
    both = LocalSide(image_id=C1, repo_digests=(OLD, M1))
    assert verdict_of(both, child("linux/amd64", M1), child("linux/s390x", M2)) == (
        "current/platform_match"
    )

"""Records of an engine: ids in their forms, and keys that change with the details."""

import pytest
from msgspec.structs import replace

from imagedrift_agent.core.records import (
    Container,
    ImageSummary,
    Info,
    has_image,
    image_id,
    is_prefix_of_id,
    shows_only_an_id,
)

DIGITS = "ab" * 32
ID = f"sha256:{DIGITS}"


def test_an_id_has_its_algorithm() -> None:
    """Podman leaves it out; no id stays none."""
    assert [image_id(text) for text in (DIGITS, ID, "")] == [ID, ID, ""]


@pytest.mark.parametrize(
    ("shown", "is_id"),
    [(ID, True), (DIGITS[:12], True), ("", True), ("nginx:1", False), ("abad", False)],
)
def test_a_container_shows_only_an_id_once_its_tag_has_moved(shown: str, is_id: bool) -> None:
    """A short name that no id begins with is a name."""
    assert shows_only_an_id(Container(id="c", image=shown, image_id=ID)) is is_id


def test_a_prefix_of_an_id_is_whole_or_cut_short() -> None:
    """An empty text is no prefix."""
    texts = (ID, DIGITS, DIGITS[:3], "sha256:", "", "ba")

    assert [is_prefix_of_id(text, DIGITS) for text in texts] == [True] * 3 + [False] * 3


def test_a_container_of_a_folder_has_no_image() -> None:
    """A container of a folder has an empty image id, with or without the algorithm."""
    ids = ("", "sha256:", ID)

    assert [has_image(Container(id="c", image_id=each)) for each in ids] == [False, False, True]


def test_the_key_of_a_summary_changes_with_what_the_details_depend_on() -> None:
    """Names, size and date are in it; labels are not, as they cannot change."""
    summary = ImageSummary(id=ID, repo_tags=("a:1",), size=1)

    for changed in ({"repo_tags": ("a:2",)}, {"size": 2}, {"created": 1}, {"digest": ID}):
        assert replace(summary, **changed).key != summary.key
    assert replace(summary, labels={"k": "v"}).key == summary.key


def test_containerds_store_is_known_by_its_driver() -> None:
    """A row of `DriverStatus` names it."""
    row = ["driver-type", "io.containerd.snapshotter.v1"]

    assert Info(driver_status=[["x"], row]).has_containerd_store
    assert not Info(driver_status=[["Backing Filesystem", "extfs"]]).has_containerd_store
    assert not Info().has_containerd_store

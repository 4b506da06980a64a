"""Synthetic images are whole and repeatable, and the store finds and forgets them."""

import json

import pytest

from imagedrift_sandbox.registry.images import Shape, push_image
from imagedrift_sandbox.registry.store import RegistryContent


@pytest.mark.parametrize("shape", Shape)
def test_an_image_is_repeatable_and_whole(shape: Shape) -> None:
    """The same seed gives the same digests, another seed others, and no part is missing."""
    store, other = RegistryContent(), RegistryContent()
    platforms = ("linux/amd64", "linux/arm64/v8")
    first = push_image(store, "a/b", "1", platforms=platforms, seed=1, shape=shape)
    again = push_image(other, "a/b", "1", platforms=platforms, seed=1, shape=shape)
    moved = push_image(store, "a/b", "1", platforms=platforms, seed=2, shape=shape)

    assert first == again
    assert first.digest != moved.digest
    assert store.repositories["a/b"].tags == {"1": moved.digest}
    for manifest in store.repositories["a/b"].manifests.values():
        document = json.loads(manifest.body)
        assert store.missing_parts("a/b", document) == []
        assert document["mediaType"] == manifest.media_type


def test_an_index_has_an_attestation_beside_each_platform() -> None:
    """Half of the index's children are attestations of the platform `unknown/unknown`."""
    store = RegistryContent()
    pushed = push_image(
        store, "a", "1", platforms=("linux/amd64", "linux/arm64"), shape=Shape.INDEX
    )
    index = store.find("a", pushed.digest)
    assert index is not None
    children = json.loads(index.body)["manifests"]
    unknown = [child for child in children if child["platform"]["os"] == "unknown"]

    assert len(children) == 4
    assert {child["annotations"]["vnd.docker.reference.digest"] for child in unknown} == set(
        pushed.children.values()
    )

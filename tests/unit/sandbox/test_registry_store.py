"""The content of a registry: manifests, and the tags that point to them."""

from imagedrift_sandbox.registry.images import push_image
from imagedrift_sandbox.registry.store import RegistryContent


def test_a_deleted_manifest_takes_its_tags_along() -> None:
    """Deleting by tag removes the tag alone, by digest the manifest and all its tags."""
    store = RegistryContent()
    pushed = push_image(store, "a", "1")
    push_image(store, "a", "2")

    assert store.delete("a", "1")
    assert store.find("a", pushed.digest) is not None
    assert store.delete("a", pushed.digest)
    assert store.find("a", "2") is None
    assert not store.delete("a", pushed.digest)
    assert not store.delete("nowhere", "1")

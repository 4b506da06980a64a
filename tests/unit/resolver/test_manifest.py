"""Manifests and indexes: what a body is, and what is inside it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MANIFEST_CAP,
    MOST_PARTS,
    OCI_INDEX,
    OCI_MANIFEST,
    Entry,
    ImageIndex,
    Manifest,
    Strange,
    read_manifest,
)
from imagedrift_schemas.platform import Platform

D = [f"sha256:{c * 64}" for c in "0123456789"]


def body(**fields: Any) -> bytes:
    """A document."""
    return json.dumps({"schemaVersion": 2, **fields}).encode()


def child(digest: str, platform: str = "linux/amd64", **fields: Any) -> dict[str, Any]:
    """An entry of an index."""
    os, architecture, *variant = platform.split("/")
    told = {"os": os, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
    return {"digest": digest, "mediaType": OCI_MANIFEST, "platform": told} | fields


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index_lists_its_platforms(media_type: str) -> None:
    """An index lists its children with their platforms."""
    document = body(
        mediaType=media_type,
        manifests=[
            child(D[1]),
            child(D[2], "linux/arm64/v8"),
            child(D[3], "linux/arm"),
            {"digest": D[4], "mediaType": OCI_INDEX},
        ],
    )
    assert read_manifest(document, media_type) == ImageIndex(
        (
            Entry(D[1], Platform("linux", "amd64"), False),
            Entry(D[2], Platform("linux", "arm64"), False),
            Entry(D[3], Platform("linux", "arm", "v7"), False),
            Entry(D[4], None, True),
        )
    )


def test_attestations_are_no_images() -> None:
    """Attestations of BuildKit are left out, by their annotation or platform."""
    document = body(
        mediaType=OCI_INDEX,
        manifests=[
            child(D[1]),
            child(D[2], "unknown/unknown"),
            child(D[3], annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        ],
    )
    index = read_manifest(document, OCI_INDEX)
    assert isinstance(index, ImageIndex)
    assert [entry.digest for entry in index.entries] == [D[1]]


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST, "application/json", ""])
def test_a_manifest_names_its_configuration(media_type: str) -> None:
    """A manifest names the digest of its configuration."""
    document = body(config={"digest": D[1], "size": 7}, layers=[])
    assert read_manifest(document, media_type) == Manifest(D[1], 7)


@pytest.mark.parametrize(
    ("document", "media_type", "kind"),
    [
        (body(manifests=[], layers=[]), OCI_INDEX, "invalid"),
        (body(manifests=[], config={"digest": D[1]}), OCI_MANIFEST, "invalid"),
        (body(mediaType=OCI_INDEX, manifests=[]), OCI_MANIFEST, "invalid"),
        (body(mediaType=OCI_MANIFEST, config={"digest": D[1]}), DOCKER_MANIFEST, "invalid"),
        (body(config={"digest": "sha256:short"}), OCI_MANIFEST, "invalid"),
        (b"{", OCI_INDEX, "invalid"),
        (b"[]", OCI_INDEX, "invalid"),
        (b"\xff\xfe", OCI_INDEX, "invalid"),
        (b"[" * 100_000, OCI_INDEX, "invalid"),
        (b"<html>", "text/html", "unsupported"),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "unsupported"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "application/json", "unsupported"),
        (b"{}", OCI_INDEX, "unsupported"),
        (body(artifactType="x/y", blobs=[]), "application/json", "unsupported"),
    ],
)
def test_documents_that_are_none_are_told_apart(
    document: bytes, media_type: str, kind: str
) -> None:
    """Ambiguous and malformed documents have outcomes of their own (CVE-2021-41190)."""
    content = read_manifest(document, media_type)
    assert isinstance(content, Strange)
    assert content.kind == kind
    assert content.reason


def test_a_flood_of_children_is_bounded() -> None:
    """An index of four megabytes has a bounded number of children."""
    document = body(mediaType=OCI_INDEX, manifests=[child(D[1])] * 20_000)
    index = read_manifest(document, OCI_INDEX)
    assert isinstance(index, ImageIndex)
    assert len(index.entries) == 2_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(D),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["manifests", "config", "digest", "mediaType", "platform", "os", "layers"]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from([OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, "", "text/plain"]))
def test_no_document_raises(document: object, media_type: str) -> None:
    """Any JSON is one of the three."""
    content = read_manifest(json.dumps(document).encode(), media_type)
    assert isinstance(content, ImageIndex | Manifest | Strange)


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1,", b'"",'])
def test_a_document_of_a_million_parts_is_not_decoded(part: bytes) -> None:
    """A document that would take a second to decode is none of an image's, and told as such."""
    body = b'{"manifests":[' + part * (MANIFEST_CAP // len(part) - 20) + b"0]}"
    began = time.process_time()
    assert isinstance(read_manifest(body, OCI_INDEX), Strange)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("mark", [b"{", b"[", b","])
def test_each_kind_of_part_has_a_bound_of_its_own(mark: bytes) -> None:
    """A document at the bound of objects, lists or values is read, and one beyond it is not."""
    bare = b'{"layers":[],"config":{"digest":"%s","size":2},"of":[%s0]}'
    part = {b"{": b"{},", b"[": b"[],", b",": b"0,"}[mark]
    room = MOST_PARTS[mark] - bare.count(mark)
    at, beyond = (bare % (D[2].encode(), part * count) for count in (room, room + 1))
    assert at.count(mark) == MOST_PARTS[mark]
    assert read_manifest(at, OCI_MANIFEST) == Manifest(D[2], 2)
    assert isinstance(read_manifest(beyond, OCI_MANIFEST), Strange)


def test_an_image_of_many_layers_is_read() -> None:
    """The largest manifest that is taken in, all of layers as registries write them, is read."""
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 1, "digest": D[1]}
    layers = [layer] * (MANIFEST_CAP // len(json.dumps(layer)) - 2)
    body = json.dumps({"config": {"digest": D[2], "size": 2}, "layers": layers}).encode()
    assert len(body) > MANIFEST_CAP * 0.9
    assert read_manifest(body, OCI_MANIFEST) == Manifest(D[2], 2)

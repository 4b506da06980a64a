"""The images of an inventory: which are stored, and which are left out."""

import json
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.identities import IdentityCache
from imagedrift_ingest.core.images import (
    AT_ONCE_BYTES,
    FAULTS_TOLD,
    MOST_READ,
    HostImage,
    HostImages,
    images_of,
)
from imagedrift_schemas.constraints import MOST_DIGESTS, MOST_IMAGES
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import LocalImage
from support.ingest import NGINX, NOW, digest, image


def raw(*images: LocalImage | dict[str, Any]) -> msgspec.Raw:
    """Images as bytes."""
    return msgspec.Raw(msgspec.json.encode(images))


def read_images(*entries: Any) -> HostImages:
    """Images as they are read, and what is left out."""
    return images_of(raw(*entries), IdentityCache().reading(), NOW)


def images(*entries: LocalImage | dict[str, Any]) -> Sequence[HostImage]:
    """Images as they are read."""
    return read_images(*entries).images


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"reference": "<none>:<none>"}, r"images\[1\].reference"),
        ({"image_id": "abc"}, r"images\[1\].image_id"),
        ({"repo_digests": ("latest",)}, r"images\[1\].repo_digests"),
        ({"manifest_digest": "x"}, r"images\[1\].manifest_digest"),
        ({"platform": ""}, r"images\[1\].platform"),
        ({"size": -1}, r"images\[1\].size"),
        ({"running": 2**31}, r"images\[1\].running"),
        ({"running": -1}, r"images\[1\].running"),
        ({"size": 2**63}, r"images\[1\].size"),
        ({"platform": "linux/\x1f"}, r"images\[1\].platform"),
        (
            {"repo_digests": tuple(map(digest, range(MOST_DIGESTS + 1)))},
            r"images\[1\].repo_digests",
        ),
    ],
)
def test_an_image_that_cannot_be_stored_is_left_out_and_named(
    facts: dict[str, Any], field: str
) -> None:
    """P9: an image that cannot be stored is left out, and named with its field."""
    bad = msgspec.structs.replace(image("docker.io/library/redis:7"), **facts)
    found = read_images(image(), bad, image("docker.io/library/app:1"))
    assert [one.key.reference for one in found.images] == [NGINX, "docker.io/library/app:1"]
    assert found.left_out == {"refused": 1}
    [fault] = found.faults
    assert re.match(field, fault)


@pytest.mark.parametrize(
    "part",
    [
        {"reference": NGINX},
        7,
        None,
        [],
        {"reference": NGINX, "image_id": 1},
        {"size": "1"},
        msgspec.Raw(b'{"size": 1e999}'),
        msgspec.Raw(b'{"size": ' + b"9" * 5000 + b"}"),
        msgspec.Raw(b'{"reference": "\xff"}'),
    ],
)
def test_what_is_no_image_is_left_out(part: Any) -> None:
    """An element that is no image is left out with its path, and the others are stored."""
    found = read_images(part, image())
    assert [one.key.reference for one in found.images] == [NGINX]
    assert found.left_out == {"refused": 1}
    assert found.faults[0].startswith("images[0]: ")


@pytest.mark.parametrize("text", [b"7", b'{"a": 1}', b"null", b'"x"', b"[" * 5000])
def test_images_that_are_no_array_are_refused(text: bytes) -> None:
    """An inventory whose images are no array is refused."""
    with pytest.raises(Malformed, match=r"^images: "):
        images_of(msgspec.Raw(text), IdentityCache().reading(), NOW)


def test_of_too_many_images_those_that_run_are_kept() -> None:
    """Of too many images the running ones are stored, and the others counted."""
    idle = [image(f"docker.io/library/idle{n}:1") for n in range(MOST_IMAGES)]
    running = [image(f"docker.io/library/app{n}:1", running=1, containers=("a",)) for n in range(3)]
    found = read_images(*idle, *running)
    assert len(found.images) == MOST_IMAGES
    assert sum(one.local.running for one in found.images) == 3
    assert found.left_out == {"over_limit": 3}


def test_spellings_of_one_reference_are_one_image() -> None:
    """`nginx` and its canonical name are one image with the containers of both."""
    one = image(NGINX, containers=("b",), running=1)
    two = msgspec.structs.replace(one, reference="nginx:1.27", containers=("a",), running=0)
    [merged] = images(one, two)
    assert merged.key.reference == NGINX
    assert (merged.local.containers, merged.local.running) == (("a", "b"), 1)


def test_images_of_one_reference_are_marked_as_sharing_it() -> None:
    """Two images of one reference are marked, so that their host counts once."""
    read_back = images(image(version=1), image(version=2), image("redis"))
    assert [one.shared for one in read_back] == [True, True, False]


def test_the_order_of_digests_does_not_matter() -> None:
    """The order of repo digests does not change the identity."""
    one = image(repo_digests=(digest("b"), digest("a")))
    two = image(repo_digests=(digest("a"), digest("b"), digest("a")))
    assert images(one)[0].key == images(two)[0].key


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)


@given(st.lists(ANY_TEXT, max_size=5))
def test_names_of_containers_never_refuse_an_image(names: list[str]) -> None:
    """Any name of a container is cleaned, and refuses no image."""
    told = msgspec.to_builtins(image(running=1)) | {"containers": names}
    found = images_of(msgspec.Raw(json.dumps([told]).encode()), IdentityCache().reading(), NOW)
    [one] = found.images
    assert all(name and len(name.splitlines()) == 1 for name in one.local.containers)
    assert all(name.isprintable() or name.isspace() for name in one.local.containers)
    assert found.left_out == {}


def test_an_image_that_is_listed_twenty_thousand_times_is_merged_at_once() -> None:
    """An image of many entries costs no more than many images, and keeps a thousand names."""
    one = msgspec.to_builtins(image())
    told = [one | {"containers": [f"c{n:05}"], "running": n % 3} for n in range(MOST_IMAGES)]
    began = time.process_time()
    [merged] = images(*told)
    assert time.process_time() - began < 1
    assert merged.local.running == 2
    assert merged.local.containers == tuple(f"c{n:05}" for n in range(1000))


@pytest.mark.parametrize(
    ("told", "left_out"),
    [
        ("[" + ",".join(["[]"] * 900_000) + "]", {"refused": MOST_READ, "over_limit": 800_000}),
        (json.dumps([{"policy": {str(n): "" for n in range(400_000)}}]), {"refused": 1}),
        (json.dumps([msgspec.to_builtins(image()) | {"odd": "x" * AT_ONCE_BYTES}]), {"refused": 1}),
    ],
    ids=["a million entries", "a million labels", "a good image in a megabyte"],
)
def test_what_would_be_costly_to_decode_is_counted_and_not_decoded(
    told: str, left_out: dict[str, int]
) -> None:
    """Of entries that no host has so many, or so large, none is decoded: they are counted."""
    found = images_of(msgspec.Raw(told.encode()), IdentityCache().reading(), NOW)
    assert (found.images, found.left_out) == ([], left_out)
    assert len(found.faults) <= FAULTS_TOLD


def test_ten_thousand_containers_are_kept_as_a_thousand_names() -> None:
    """Of ten thousand containers a thousand names are stored, and the full count."""
    names = tuple(f"app-{n}" for n in range(10_000))
    [one] = images(image(containers=names, running=10_000))
    assert (len(one.local.containers), one.local.running) == (1000, 10_000)


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("2026-11-30T00:00:00Z", None),
        ("2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("2019-01-01T00:00:00+01:00", "2018-12-31T23:00:00Z"),
    ],
)
def test_a_date_that_cannot_be_is_none(at: str, kept: str | None) -> None:
    """An impossible date of an image is null."""
    told = msgspec.to_builtins(image()) | {"created_at": at}
    [one] = images(told)
    assert one.local.created_at == (datetime.fromisoformat(kept) if kept else None)


def test_a_size_that_does_not_fit_is_refused_also_where_its_image_is_known() -> None:
    """A size that does not fit is refused, also of a known image."""
    keys = IdentityCache()
    reading = keys.reading()
    images_of(raw(image()), reading, NOW)
    reading.keep()
    found = images_of(raw(image(size=2**63)), keys.reading(), NOW)
    assert (found.images, found.left_out) == ([], {"refused": 1})


def test_many_images_of_one_reference_are_read_as_fast_as_others() -> None:
    """Thousands of images of one reference are read as fast as others."""
    many = [image(version=n) for n in range(5000)]
    others = [image(f"r.io/app{n}:1") for n in range(5000)]
    began = time.process_time()
    found = read_images(*many, *others).images
    assert time.process_time() - began < 2
    assert [one.shared for one in found] == [True] * 5000 + [False] * 5000

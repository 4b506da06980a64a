"""An engine's records become images: every rule of the inventory, one by one."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_agent.core.inventory import list_images
from imagedrift_agent.core.records import Container, EngineImage
from imagedrift_ingest.core.identities import IdentityCache
from imagedrift_ingest.core.images import images_of as stored_images
from imagedrift_schemas.reference import ImageReference
from support.engine_records import D1, D2, D3, ID, OTHER, container, image, images_of
from support.ingest import NOW


def test_a_swarm_reference_is_followed_by_its_tag() -> None:
    """The digest of `repo:tag@digest` joins the digests of `repo:tag`."""
    [found] = images_of([image(ID, digests=(f"nginx@{D1}",))], [container(f"nginx:1@{D2}")])

    assert found.reference == "docker.io/library/nginx:1"
    assert found.repo_digests == (D1, D2)


def test_a_crash_loop_changes_nothing() -> None:
    """Between two attempts a container counts as running, or each attempt would be news."""
    running = images_of([image(ID, "nginx:1")], [container("nginx:1")])
    restarting = images_of([image(ID, "nginx:1")], [container("nginx:1", state="restarting")])
    stopped = images_of([image(ID, "nginx:1")], [container("nginx:1", state="exited")])

    assert restarting == running
    assert stopped[0].running == 0


def test_a_link_of_another_container_is_not_its_name() -> None:
    """A linked container has several names; its own has one slash."""
    linked = container("nginx:1")
    linked = Container(**{**fields_of(linked), "names": ["/other/alias", "/web"]})

    [found] = images_of([image(ID, "nginx:1")], [linked])

    assert found.containers == ("web",)


def test_nonsense_in_one_record_spares_the_others() -> None:
    """A platform or a date that is none is left out of its image, which is still listed."""
    odd = image(ID, "nginx:1", created="yesterday", os="§", architecture="amd64", size=-1)

    [found] = images_of([odd], [])

    assert (found.platform, found.created_at, found.size) == ("unknown/unknown", None, 0)


def fields_of(record: Container) -> dict[str, Any]:
    """A record as keyword arguments."""
    return {name: getattr(record, name) for name in record.__struct_fields__}


NAMES = st.sampled_from(
    ["nginx:1", "nginx", "<none>:<none>", "Bad Name", "", "a/b:2", ID, f"nginx@{D1}", "x:1@" + D2]
)

IDS = st.sampled_from([ID, OTHER, "3" * 64, ""])

DIGESTS = st.sampled_from([f"nginx@{D1}", f"a/b@{D2}", D3, "<none>@<none>", "nginx@sha256:1", ""])

IMAGES = st.builds(
    EngineImage,
    id=IDS.filter(bool),
    repo_tags=st.none() | st.lists(NAMES, max_size=3),
    repo_digests=st.none() | st.lists(DIGESTS, max_size=3),
    created=st.text(max_size=30),
    os=st.text(max_size=5),
    architecture=st.text(max_size=5),
    digest=st.sampled_from(["", D1, "nonsense"]),
)

CONTAINERS = st.builds(
    Container,
    id=st.text("abcdef", min_size=12, max_size=12),
    names=st.none() | st.lists(st.text(max_size=5), max_size=2),
    image=NAMES,
    image_id=IDS,
    state=st.sampled_from(["running", "exited", "restarting", "?"]),
    labels=st.none() | st.dictionaries(st.just("imagedrift.ignore"), st.text(max_size=4)),
)


@given(st.lists(IMAGES, max_size=4), st.lists(CONTAINERS, max_size=5), st.randoms())
def test_whatever_an_engine_says_becomes_an_inventory(
    images: list[EngineImage], containers: list[Container], shuffle: Any
) -> None:
    """Nothing raises; the result is in canonical order, without twins, and every name is one."""
    images = list({each.id: each for each in images}.values())
    image_list = list_images(images, containers)

    keys = [(found.reference, found.image_id) for found in image_list.images]
    assert keys == sorted(set(keys))
    for found in image_list.images:
        assert ImageReference.parse(found.reference).canonical == found.reference
        assert list(found.repo_digests) == sorted(set(found.repo_digests))
        assert 0 <= found.running <= len(found.containers)


@given(st.lists(IMAGES, max_size=4), st.lists(CONTAINERS, max_size=5), st.randoms())
def test_the_order_of_an_engines_answers_does_not_matter(
    images: list[EngineImage], containers: list[Container], shuffle: Any
) -> None:
    """The same host in another order is the same content, so it is not published again."""
    images = list({each.id: each for each in images}.values())
    before = list_images(images, containers)
    shuffle.shuffle(images)
    shuffle.shuffle(containers)

    after = list_images(images, containers)

    assert after.images == before.images
    assert after.skipped == before.skipped


ODD_OBJECTS = {
    "no id": (image(""), container("nginx:1", "")),
    "an id that is no digest": (image("nonsense"), container("nginx:1", "nonsense")),
    "an id in capitals": (image(f"sha256:{'A' * 64}"), container("nginx:1")),
    "a control character in a name": (image(OTHER, "b:1"), container("b:1", OTHER, "a\x01")),
    "a name without end": (image(OTHER, "b:1"), container("b:1", OTHER, "a" * 5000)),
    "a platform without end": (image(OTHER, "b:1", architecture="a" * 300), container("nginx:1")),
    "a negative size": (image(OTHER, "b:1", size=-3), container("b:1", OTHER)),
    "the end of time": (
        image(OTHER, "b:1", created="9999-12-31T23:59:59-12:00"),
        container("b:1", OTHER),
    ),
    "digests that are none": (
        image(OTHER, "b:1", digests=("b@sha256:zz",)),
        container("b:1", OTHER),
    ),
}


@pytest.mark.parametrize(("odd", "made"), ODD_OBJECTS.values(), ids=ODD_OBJECTS)
def test_no_odd_object_makes_ingest_refuse_the_host(odd: EngineImage, made: Container) -> None:
    """Ingest stores the good image beside any object that makes no sense."""
    image_list = list_images([image(ID, "nginx:1"), odd], [made])

    stored = stored_images(
        msgspec.Raw(msgspec.json.encode(image_list.images)), IdentityCache().reading(), NOW
    )

    assert "docker.io/library/nginx:1" in {each.key.reference for each in stored.images}


def test_an_image_whose_id_is_no_digest_is_counted() -> None:
    """An image without a proper id is not listed, as nothing can be compared with it."""
    image_list = list_images([image("nonsense", "odd:1"), image(ID, "nginx:1")], [])

    assert [each.reference for each in image_list.images] == ["docker.io/library/nginx:1"]
    assert image_list.skipped == {"bad_id": 1}

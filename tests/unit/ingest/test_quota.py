"""How many new images a host may bring."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core import quota
from imagedrift_ingest.core.identities import ImageKey
from imagedrift_ingest.core.images import HostImage, HostImages
from imagedrift_schemas.v1 import LocalImage
from support.ingest import digest


def image_by_number(number: int, running: int = 0) -> HostImage:
    """An image by number."""
    reference, image_id = f"docker.io/library/app{number}:1", digest(number)
    local = LocalImage(reference=reference, image_id=image_id, running=running)
    return HostImage(ImageKey(reference, image_id, (), "linux/amd64"), False, local)


def test_what_runs_is_made_first() -> None:
    """Within a quota running images are stored first."""
    images = [image_by_number(1), image_by_number(2, running=1), image_by_number(3)]
    assert list(quota.granted({7: images}, {7: 4}, 5)) == [images[1].key]


def test_an_image_of_several_hosts_counts_for_one_with_room() -> None:
    """An image of several hosts counts for one that has quota left."""
    shared = image_by_number(1)
    assert quota.granted({1: [shared], 2: [shared]}, {1: 5}, 5) == {shared.key: 2}


def test_what_is_left_out_is_told() -> None:
    """Images over the quota are counted beside those of other reasons."""
    read = HostImages([image_by_number(1), image_by_number(2)], {"refused": 3})
    kept = quota.stored(read, {image_by_number(2).key})
    assert [*kept.images] == [image_by_number(2)]
    assert kept.left_out == {"refused": 3, "over_quota": 1}
    assert quota.stored(read, {image_by_number(1).key, image_by_number(2).key}) is read


@given(
    brought=st.dictionaries(st.integers(1, 5), st.lists(st.integers(0, 20), unique=True)),
    spent=st.dictionaries(st.integers(1, 5), st.integers(0, 10)),
    most=st.integers(1, 10),
)
def test_no_host_is_given_more_and_none_less_than_it_may(
    brought: dict[int, list[int]], spent: dict[int, int], most: int
) -> None:
    """Each image counts once, and is refused only when all its hosts are over quota."""
    images = {
        host: [image_by_number(number) for number in numbers] for host, numbers in brought.items()
    }
    given_ = quota.granted(images, spent, most)
    counted = Counter(given_.values())
    assert all(count + spent.get(host, 0) <= most for host, count in counted.items())
    for host, of_host in images.items():
        keys = {image.key for image in of_host}
        assert all(key in keys for key, owner in given_.items() if owner == host)
        if keys - given_.keys():
            assert counted[host] + spent.get(host, 0) >= most


def test_candidates_count_for_a_host_that_wants_them() -> None:
    """Each host has room of its own for new candidates, and those that are first are made."""
    wanted = {"a": [1], "b": [1], "c": [2], "d": [1]}
    assert quota.granted_candidates(wanted, {1: 3}, 5) == {"a": 1, "b": 1, "c": 2}


def test_a_candidate_of_several_hosts_counts_for_one_with_room() -> None:
    """A host that has used up its quota leaves a candidate to another one that wants it."""
    assert quota.granted_candidates({"a": [1, 2]}, {1: 5}, 5) == {"a": 2}
    assert quota.granted_candidates({"a": [1, 2]}, {1: 5, 2: 5}, 5) == {}

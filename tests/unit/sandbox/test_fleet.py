"""The simulated fleet is repeatable, and says what an agent would say."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_sandbox.fleet import (
    Fleet,
    catalogue_on,
    images_for_catalogue,
    invented_catalogue,
)
from imagedrift_sandbox.registry.images import push_image
from imagedrift_sandbox.registry.store import Store
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Alive, Inventory

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
CATALOGUE = invented_catalogue(200)


def fleet(**changes: object) -> Fleet:
    """A small fleet."""
    return Fleet(CATALOGUE, **({"hosts": 50, "images_per_host": 12} | changes))  # type: ignore[arg-type]


@given(number=st.integers(0, 100_000), seed=st.integers(0, 1000))
def test_a_host_is_the_same_in_every_process(number: int, seed: int) -> None:
    """Two fleets of one seed say the same of a host, whatever was asked before."""
    first, second = fleet(seed=seed), fleet(seed=seed)
    second.report(number + 1, AT)

    assert first.report(number, AT) == second.report(number, AT)


@given(number=st.integers(0, 100_000))
def test_what_is_put_together_is_what_the_codec_writes(number: int) -> None:
    """A report's bytes are an inventory encoded whole, with the true content hash."""
    subject, payload = fleet().report(number, AT)
    said = codec.decode(payload, Inventory)

    assert codec.encode(said) == payload
    assert codec.content_hash(said.images) == said.content
    assert subjects.host_of(subject) == (said.site, said.host)
    assert len({image.reference for image in said.images}) == len(said.images) == 12


def test_another_seed_is_another_fleet() -> None:
    """The seed decides what hosts have."""
    assert fleet(seed=1).images(0) != fleet(seed=2).images(0)


def test_a_heartbeat_has_the_content_of_the_inventory() -> None:
    """What an unchanged host says names its inventory's content, before and after a pull."""
    one = fleet(outdated=1.0)
    before = codec.decode(one.heartbeat(3, AT)[1], Alive)
    reference = one.catalogue[one.images(3)[0].series].reference
    one.pull(3, reference)
    after = codec.decode(one.heartbeat(3, AT)[1], Alive)

    assert before.content != after.content
    assert (before.seq, after.seq) == (1, 2)
    assert after.content == one.inventory(3, AT).content


def test_a_pull_brings_the_newest_release() -> None:
    """A host that pulled has the newest digest of that reference, and the rest as it was."""
    one = fleet(outdated=1.0)
    held = one.images(3)
    series = one.catalogue[held[0].series]
    one.pull(3, series.reference)
    after = one.images(3)

    assert held[0].behind > 0
    assert one.local_image(after[0]).repo_digests == (series.newest.digest,)
    assert after[1:] == held[1:]


def test_the_share_of_outdated_images_is_as_asked() -> None:
    """None is outdated at 0, about a third at 1/3."""
    behind = Counter(held.behind > 0 for number in range(200) for held in fleet().images(number))

    assert all(
        held.behind == 0 for number in range(50) for held in fleet(outdated=0).images(number)
    )
    assert 0.15 < behind[True] / behind.total() < 0.25


def test_popular_references_are_on_more_hosts() -> None:
    """The first tenth of the catalogue is drawn more often than its second half; flat at 0."""
    steep, flat = (
        Counter(held.series for number in range(200) for held in each.images(number))
        for each in (fleet(), fleet(popularity=0.0))
    )

    assert sum(steep[n] for n in range(20)) > sum(steep[n] for n in range(100, 200))
    assert sum(flat[n] for n in range(20)) < sum(flat[n] for n in range(100, 200)) / 3


def test_a_host_cannot_have_more_than_the_catalogue() -> None:
    """A fleet of a small catalogue has all of it on every host."""
    small = Fleet(CATALOGUE[:5], hosts=1, images_per_host=30)

    assert sorted(held.series for held in small.images(0)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("count", [1, 10, 151, 5000])
def test_every_reference_of_a_catalogue_is_distinct_and_parses(count: int) -> None:
    """A catalogue has as many different, legal references as asked."""
    references = {series.reference for series in invented_catalogue(count)}

    assert len(references) == count
    assert {ImageReference.parse(each).registry for each in references} == {"registry.example.org"}


def test_a_catalogue_of_pushed_images_ends_with_what_the_tag_points_to() -> None:
    """The newest release of each series is the digest that the registry's tag has."""
    store = Store()
    images = images_for_catalogue(12, releases=2)
    pushed = [
        push_image(store, each.repository, each.tag, seed=each.seed, shape=each.shape)
        for each in images
    ]
    catalogue = catalogue_on("127.0.0.1:5000", images, pushed)

    assert len(catalogue) == 12
    for series in catalogue:
        name, tag = series.reference.removeprefix("127.0.0.1:5000/").split(":")
        found = store.find(name, tag)
        assert found is not None
        assert series.newest.digest == found.digest
        assert len({release.digest for release in series.releases}) == 2

"""Invented images: a few are popular, and each reference is its own."""

from collections import Counter

from imagedrift_sandbox.fleet import InventedFleet
from imagedrift_sandbox.fleet.invented import NEWEST, VERSIONS
from imagedrift_schemas.reference import ImageReference
from support.simulated_hosts import invented


def test_the_newest_version_is_the_most_common() -> None:
    """About 85 in 100 images are the newest of their reference, and each other version occurs."""
    versions = Counter(held.version for _, held in invented().rows())

    assert 0.8 < versions[NEWEST] / versions.total() < 0.9
    assert set(versions) == set(range(VERSIONS))


def test_popular_references_are_on_more_hosts() -> None:
    """The first tenth of the references is on more than twice as many hosts as the last tenth."""
    hosts = Counter(held.reference for _, held in invented().rows())

    assert sum(hosts[n] for n in range(10)) > 2 * sum(hosts[n] for n in range(90, 100))


def test_every_reference_is_distinct_and_parses() -> None:
    """A fleet has as many different, legal references as asked."""
    fleet = InventedFleet(1, images=1, references=5000)
    references = {fleet.reference(number) for number in range(fleet.references)}

    assert len(references) == 5000
    assert {ImageReference.parse(each).registry for each in references} == {"docker.io"}

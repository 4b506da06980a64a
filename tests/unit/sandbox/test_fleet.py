"""A simulated fleet is the same in every run, and says what an agent would say."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_cli.demo.catalogue import DemoFleet, stock
from imagedrift_sandbox.fleet import Fleet, InventedFleet
from imagedrift_sandbox.fleet.invented import NEWEST, VERSIONS
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Alive, Inventory

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
HOSTS = 200
numbers = st.integers(0, 100_000)


def invented() -> InventedFleet:
    """A small fleet of references that no registry has."""
    return InventedFleet(HOSTS, images=12, references=100)


@given(number=numbers)
def test_a_host_is_the_same_in_every_process(number: int) -> None:
    """Two fleets of one size say the same of a host, whatever was asked before."""
    first, second = invented(), invented()
    second.inventory(number + 1, AT)

    assert first.inventory(number, AT) == second.inventory(number, AT)


def is_what_the_codec_writes(fleet: Fleet[Any], number: int) -> bool:
    """Tell whether a host's bytes are its inventory encoded whole, with the true content hash."""
    subject, payload = fleet.inventory(number, AT)
    said = codec.decode(payload, Inventory)
    assert subjects.host_of(subject) == (said.site, said.host) == (fleet.site, fleet.host(number))
    assert len({image.reference for image in said.images}) == len(fleet.held(number))
    return codec.encode(said) == payload and codec.content_hash(said.images) == said.content


@given(number=numbers)
def test_what_is_put_together_is_what_the_codec_writes(number: int) -> None:
    """An inventory of pieces that were encoded once is an inventory encoded whole."""
    assert is_what_the_codec_writes(invented(), number)


def test_the_demonstration_s_hosts_say_what_an_agent_would() -> None:
    """Hosts that have what was pushed to a registry are put together in the same way."""
    fleet = DemoFleet(HOSTS, stock(SandboxRegistry()))

    assert all(is_what_the_codec_writes(fleet, number) for number in range(HOSTS))


def test_a_heartbeat_has_the_content_of_the_inventory() -> None:
    """An unchanged host's heartbeat names the content of its inventory."""
    fleet = invented()
    alive = codec.decode(fleet.heartbeat(3, AT)[1], Alive)

    assert alive.content == codec.decode(fleet.inventory(3, AT)[1], Inventory).content
    assert subjects.alive(fleet.site, fleet.host(3)) == fleet.heartbeat(3, AT)[0]


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

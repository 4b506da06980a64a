"""Hosts of a simulated fleet: the same in every process, and as an agent would tell them."""

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, Inventory
from support.simulated_hosts import AT, invented, is_what_the_codec_writes

numbers = st.integers(0, 100_000)


@given(number=numbers)
def test_a_host_is_the_same_in_every_process(number: int) -> None:
    """Two fleets of one size say the same of a host, whatever was asked before."""
    first, second = invented(), invented()
    second.inventory(number + 1, AT)

    assert first.inventory(number, AT) == second.inventory(number, AT)


@given(number=numbers)
def test_what_is_put_together_is_what_the_codec_writes(number: int) -> None:
    """An inventory of pieces that were encoded once is an inventory encoded whole."""
    assert is_what_the_codec_writes(invented(), number)


def test_a_heartbeat_has_the_content_of_the_inventory() -> None:
    """An unchanged host's heartbeat names the content of its inventory."""
    fleet = invented()
    alive = codec.decode(fleet.heartbeat(3, AT)[1], Alive)

    assert alive.content == codec.decode(fleet.inventory(3, AT)[1], Inventory).content
    assert subjects.alive(fleet.site, fleet.host(3)) == fleet.heartbeat(3, AT)[0]

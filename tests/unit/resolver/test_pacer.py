"""The pace of requests to a registry, which its credentials and all replicas share."""

import pytest

from imagedrift_resolver.core.credential import Password, Secret
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.pacer import LONGEST_WAIT_S, Pace, Pacer
from imagedrift_resolver.shared_state import SharedState
from imagedrift_runtime.registries.operator_file import parse
from imagedrift_schemas.v1 import Limited, RegistryState
from support.shared_states import SharedStates, replica
from support.virtual_time import NOW, VirtualClock

pytestmark = pytest.mark.virtual_time

PACED = """
[registry."r.example"]
requests_per_second = 1
[registry."r.example/a"]
username = "a"
password_file = "/a"
[registry."r.example/b"]
username = "b"
password_file = "/b"
"""
CLOCK = VirtualClock()


def pacer(states: SharedStates, rate: float | None) -> Pacer:
    """Make the pacer of a registry."""
    own = RegistryState(registry="r.example", credential="anonymous", observed_at=NOW)
    return Pacer(SharedState(own, states, CLOCK), Pace(()), rate, CLOCK)


async def test_requests_without_a_pace_do_not_wait() -> None:
    """Requests to a registry without a pace do not wait."""
    paced = pacer(SharedStates(), None)
    for _ in range(100):
        assert await paced.wait_turn() is None
    assert CLOCK.now() == NOW


@pytest.mark.parametrize("is_away", [False, True])
async def test_requests_keep_their_pace_whether_it_can_be_shared_or_not(is_away: bool) -> None:
    """Without NATS each replica keeps the pace alone."""
    states = SharedStates()
    states.is_away = is_away
    paced = pacer(states, 2.0)
    for _ in range(5):
        assert await paced.wait_turn() is None
    assert (CLOCK.now() - NOW).total_seconds() == pytest.approx(2)


async def test_a_fast_pace_is_promised_in_batches() -> None:
    """A fast pace is reserved in batches, with few writes."""
    states = SharedStates()
    paced = pacer(states, 100.0)
    for _ in range(100):
        await paced.wait_turn()
    assert (CLOCK.now() - NOW).total_seconds() == pytest.approx(0.99)
    assert states.rows["r.example", "anonymous"].paced_until is not None


async def test_a_turn_that_is_too_far_off_is_not_taken() -> None:
    """A request whose turn is too far off is put off, and uses no turn."""
    states = SharedStates()
    own = RegistryState(registry="r.example", credential="anonymous", observed_at=NOW)
    shared = SharedState(own, states, CLOCK)
    slow = Pacer(shared, Pace(()), 1 / (2 * LONGEST_WAIT_S), CLOCK)
    assert await slow.wait_turn() is None
    refused = await slow.wait_turn()
    until = shared.value.paced_until
    assert isinstance(refused, Limited)
    assert await slow.wait_turn() == refused
    assert shared.value.paced_until == until


async def test_the_recent_rate_is_measured() -> None:
    """The pace after a 429 is half of the measured rate."""
    paced = pacer(SharedStates(), None)
    assert paced.recent_rate() == 1.0
    for _ in range(41):
        await paced.wait_turn()
        await CLOCK.sleep(0.1)
    assert paced.recent_rate() == pytest.approx(10, rel=0.05)


async def test_the_credentials_of_a_registry_share_its_pace() -> None:
    """All credentials of a registry share its pace, over replicas too."""
    states = SharedStates()
    replicas = [replica(states, parse(PACED)) for _ in range(2)]
    turns = []
    for limiters in replicas:
        for name in ("a", "b"):
            at = Site(
                registry="r.example",
                api=parse_url("https://r.example"),
                credential=Password(name, Secret("x")),
            )
            assert await limiters.of(at).wait_turn("HEAD") is None
            turns.append((CLOCK.now() - NOW).total_seconds())
    assert turns == [0, 1, 2, 3]

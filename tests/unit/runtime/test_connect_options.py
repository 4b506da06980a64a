"""How NATS is reached: which server is next, how long the wait is, and no password shown."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_runtime.nats.connect_options import ConnectOptions, jitter, next_server


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_the_server_that_failed_least_is_next_and_the_wait_is_bounded(failures: list[int]) -> None:
    """Every server of a cluster is tried, and a long outage is not hammered."""
    servers = [SimpleNamespace(reconnects=count) for count in failures]

    server, wait = next_server(servers, {})

    assert server.reconnects == min(failures)
    assert 0 <= wait <= 30


def test_reconnects_are_spread() -> None:
    """Full jitter: of a fleet that was cut off together, a tenth returns in each tenth."""
    random.seed(7)
    waits = [jitter(10) for _ in range(10_000)]

    for tenth in range(10):
        share = sum(3 * tenth <= wait < 3 * (tenth + 1) for wait in waits) / len(waits)
        assert 0.08 < share < 0.12


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("nats://user:pa@ss@host:4222", "nats://***@host:4222"),
        ("tls://token@host", "tls://***@host"),
        ("nats://user:pa/ss@host", "nats://***@host"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    """A token or a password in an address reaches no log and no error."""
    assert str(ConnectOptions(urls=(url,), name="t")) == shown


def test_without_a_spool_the_client_keeps_nothing() -> None:
    """A negative size is what makes nats-py refuse at once while disconnected."""
    assert ConnectOptions(urls=(), name="t", spool=False).for_client()["pending_size"] == -1
    assert ConnectOptions(urls=(), name="t").for_client()["pending_size"] > 0


def test_pings_find_a_dead_peer_within_a_minute() -> None:
    """The client pings every 20 s and gives up after two without an answer."""
    options = ConnectOptions(urls=("nats://x",), name="t").for_client()

    assert (options["ping_interval"], options["max_outstanding_pings"]) == (20, 2)
    assert options["max_reconnect_attempts"] == -1

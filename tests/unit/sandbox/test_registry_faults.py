"""Which request is meant, which faults strike it, and which budget it spends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_sandbox.registry.faults import Fault, Faults, latency
from imagedrift_sandbox.registry.routes import RouteKind, understand

HEAD = understand("HEAD", "/v2/team/api/manifests/1.0")

GET = understand("GET", "/v2/team/api/manifests/1.0")

HOST = "127.0.0.1:5000"


def test_a_fault_strikes_only_what_it_is_about() -> None:
    """Kinds, host, path, repository and reference each narrow a fault."""
    narrow = [
        Fault(kinds=(RouteKind.BLOB_GET,)),
        Fault(host="other:*"),
        Fault(path="/v2/other/*"),
        Fault(repository="other/*"),
        Fault(reference="2.*"),
    ]
    wide = [
        Fault(kinds=(RouteKind.MANIFEST_HEAD,)),
        Fault(host="127.0.0.1:*"),
        Fault(path="/v2/team/*"),
        Fault(repository="team/*"),
        Fault(reference="1.*"),
    ]

    assert not any(fault.matches(HEAD, HOST) for fault in narrow)
    assert all(fault.matches(HEAD, HOST) for fault in wide)


@given(after=st.integers(0, 5), times=st.integers(0, 5))
def test_a_fault_lets_some_pass_and_then_strikes_as_often_as_told(after: int, times: int) -> None:
    """The first `after` requests pass, the next `times` are struck, the rest pass."""
    faults = Faults()
    faults.add(Fault(after=after, times=times, status=500))
    struck = [faults.strike(HEAD, HOST) is not None for _ in range(12)]

    assert struck == [False] * after + [True] * times + [False] * (12 - after - times)


@pytest.mark.parametrize(
    ("about", "with_credentials", "without"),
    [(None, True, True), (True, True, False), (False, False, True)],
)
def test_a_fault_can_be_about_credentials(
    about: bool | None, with_credentials: bool, without: bool
) -> None:
    """A fault strikes requests with credentials, without, or both."""
    fault = Fault(credentials=about, status=401)

    assert fault.matches(HEAD, HOST, credentials=True) is with_credentials
    assert fault.matches(HEAD, HOST, credentials=False) is without


def test_faults_that_strike_together_act_together() -> None:
    """Latencies add up, headers gather, the later status wins."""
    faults = Faults()
    faults.add(Fault(latency_s=0.5, headers={"A": "1"}, status=500))
    faults.add(Fault(latency_s=0.25, headers={"B": "2"}, status=503))
    faults.add(latency(0.25))
    both = faults.strike(HEAD, HOST)

    assert both is not None
    assert (both.latency_s, both.headers, both.status) == (1.0, {"A": "1", "B": "2"}, 503)


def test_a_removed_fault_strikes_no_more() -> None:
    """A fault is removed by its number, once."""
    faults = Faults()
    number = faults.add(Fault(status=429))

    assert faults.remove(number)
    assert not faults.remove(number)
    assert faults.strike(GET, HOST) is None

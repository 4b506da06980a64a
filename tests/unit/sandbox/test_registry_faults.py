"""Which request is meant, which faults strike it, and which budget it spends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_sandbox.registry.budgets import Budget, Dialect, Meter, Wait
from imagedrift_sandbox.registry.faults import Fault, Faults, latency
from imagedrift_sandbox.registry.routes import Kind, understand

HEAD = understand("HEAD", "/v2/team/api/manifests/1.0")
GET = understand("GET", "/v2/team/api/manifests/1.0")
HOST = "127.0.0.1:5000"
NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("method", "path", "kind", "repository", "reference"),
    [
        ("GET", "/v2/", Kind.PING, "", ""),
        ("GET", "/v2", Kind.PING, "", ""),
        ("GET", "/token", Kind.TOKEN, "", ""),
        ("HEAD", "/v2/a/manifests/1", Kind.MANIFEST_HEAD, "a", "1"),
        ("GET", "/v2/a/b/c/manifests/sha256:00", Kind.MANIFEST_GET, "a/b/c", "sha256:00"),
        (
            "PUT",
            "/v2/manifests/manifests/manifests/1",
            Kind.MANIFEST_PUT,
            "manifests/manifests",
            "1",
        ),
        ("DELETE", "/v2/a/manifests/1", Kind.MANIFEST_DELETE, "a", "1"),
        ("GET", "/v2/a/b/blobs/sha256:00", Kind.BLOB_GET, "a/b", "sha256:00"),
        ("POST", "/v2/a/b/blobs/uploads/", Kind.UPLOAD, "a/b", ""),
        ("PATCH", "/v2/a/b/blobs/uploads/77", Kind.UPLOAD, "a/b", "77"),
        ("GET", "/v2/a/tags/list", Kind.TAGS, "a", ""),
        ("GET", "/v2/_catalog", Kind.CATALOG, "", ""),
        ("GET", "/favicon.ico", Kind.OTHER, "", ""),
    ],
)
def test_a_request_line_is_understood(
    method: str, path: str, kind: Kind, repository: str, reference: str
) -> None:
    """Kind, repository and reference are read from method and path."""
    route = understand(method, path)

    assert (route.kind, route.repository, route.reference) == (kind, repository, reference)


def test_a_fault_strikes_only_what_it_is_about() -> None:
    """Kinds, host, path, repository and reference each narrow a fault."""
    narrow = [
        Fault(kinds=(Kind.BLOB_GET,)),
        Fault(host="other:*"),
        Fault(path="/v2/other/*"),
        Fault(repository="other/*"),
        Fault(reference="2.*"),
    ]
    wide = [
        Fault(kinds=(Kind.MANIFEST_HEAD,)),
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


@given(limit=st.integers(0, 8), spent=st.integers(0, 12))
def test_a_budget_refuses_exactly_what_is_over_it(limit: int, spent: int) -> None:
    """Of `spent` requests `limit` pass; HEADs are free; a new window begins afresh."""
    meter = Meter(Budget(limit=limit, window_s=60))
    refused = [meter.charge(Kind.MANIFEST_GET, "", NOW).refused for _ in range(spent)]

    assert refused.count(False) == min(limit, spent)
    assert refused == sorted(refused)
    assert not meter.charge(Kind.MANIFEST_HEAD, "", NOW).refused
    assert meter.charge(Kind.MANIFEST_GET, "", NOW + 60).refused is (limit == 0)


def test_every_user_has_a_budget_of_its_own() -> None:
    """One user's requests do not spend another's budget."""
    meter = Meter(Budget(limit=1))
    meter.charge(Kind.MANIFEST_GET, "first", NOW)

    assert meter.charge(Kind.MANIFEST_GET, "first", NOW).refused
    assert not meter.charge(Kind.MANIFEST_GET, "second", NOW).refused


@pytest.mark.parametrize(
    ("dialect", "headers"),
    [
        (Dialect.NONE, {}),
        (
            Dialect.DOCKER_HUB,
            {
                "ratelimit-limit": "100;w=60",
                "ratelimit-remaining": "99;w=60",
                "docker-ratelimit-source": "192.0.2.1",
            },
        ),
        (
            Dialect.X_RATELIMIT,
            {
                "X-RateLimit-Limit": "100",
                "X-RateLimit-Remaining": "99",
                "X-RateLimit-Reset": "1790000060",
            },
        ),
        (
            Dialect.IETF_FIELDS,
            {"RateLimit-Limit": "100", "RateLimit-Remaining": "99", "RateLimit-Reset": "60"},
        ),
        (Dialect.IETF_ONE, {"RateLimit": "limit=100, remaining=99, reset=60"}),
        (
            Dialect.IETF_POLICY,
            {"RateLimit-Policy": '"default";q=100;w=60', "RateLimit": '"default";r=99;t=60'},
        ),
    ],
)
def test_a_limit_is_told_in_each_dialect(dialect: Dialect, headers: dict[str, str]) -> None:
    """Limit, remaining and reset appear as that dialect spells them."""
    meter = Meter(Budget(limit=100, window_s=60, dialect=dialect))

    assert meter.charge(Kind.MANIFEST_GET, "", NOW).headers == headers


@pytest.mark.parametrize(
    ("wait", "headers", "words"),
    [
        (Wait.NONE, {}, "pull rate limit"),
        (Wait.SECONDS, {"Retry-After": "60"}, ""),
        (Wait.DATE, {"Retry-After": "Mon, 21 Sep 2026 14:14:20 GMT"}, ""),
        (Wait.EPOCH, {"Retry-After": "1790000060"}, ""),
        (Wait.X_EPOCH, {"X-Retry-After": "1790000060"}, ""),
        (Wait.BODY, {}, "retry-after: 331.163µs"),
    ],
)
def test_a_refusal_says_when_to_come_back(wait: Wait, headers: dict[str, str], words: str) -> None:
    """The wait appears where that registry would put it."""
    meter = Meter(Budget(limit=0, window_s=60, dialect=Dialect.NONE, wait=wait))
    charge = meter.charge(Kind.MANIFEST_GET, "", NOW)

    assert charge.refused
    assert charge.headers == headers
    assert words in charge.message
